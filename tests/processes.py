"""Processes that a test starts, waits for, and ends by their ids."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from contextlib import suppress

import psutil
from conditions import wait_until


class Processes:
    """
    Processes that write to files of their own, and are all ended with what they started.

    :param folder: where the files are.
    """

    def __init__(self, folder):
        self._folder = folder
        self._running = {}

    def start(self, name, *command, env=None):
        """Start a process."""
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=self._folder)
        self._running[name] = process

    def run_to_end(self, name, *command, env=None):
        """Start a process and wait for its success."""
        self.start(name, *command, env=env)
        assert self._running[name].wait(180) == 0, self.log(name)[-3000:]
        del self._running[name]

    def runs(self, name):
        return name in self._running

    def log(self, name):
        """Return what a process has written."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def check(self):
        """Fail if one has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log(name)[-3000:]}")

    def kill_all_of(self, name):
        """Kill a process and all that it started, as a machine does that loses its power."""
        process = self._running.pop(name)
        kill(*family(process.pid))
        process.wait()

    def stop(self):
        """End all, the last first."""
        for process in reversed(self._running.values()):
            started = family(process.pid)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            kill(*started)
        self._running.clear()


def family(pid):
    """Return a process and all below it, with what tells it from a later one of the same id."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def kill(*processes):
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def send(sign, pid):
    """Send a signal and wait until the process is gone; return the seconds that it took."""
    began = time.monotonic()
    process = psutil.Process(pid)
    os.kill(pid, sign)
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, f"process {pid} is gone")
    return time.monotonic() - began


def kill_hard(pid):
    return send(signal.SIGKILL, pid)


def free_port():
    """Return a port below those that the system hands out to clients."""
    for _ in range(100):
        port = random.randint(20000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
