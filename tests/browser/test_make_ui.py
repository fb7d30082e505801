"""``make ui`` as a person uses it: started, looked at, a DAG run, and ended with Ctrl-C, which leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

import psutil
import pytest
import requests
from conditions import wait_until
from playwright.sync_api import expect

from web_servers import Airflow3

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class UI:
    """
    One ``make ui``, in a session of its own as a terminal has one.

    :param home: the folder in place of ``.ui``.
    """

    def __init__(self, root, home):
        clean = {name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW_", "YC_", "MAKE"))}
        self._log = home / "make.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["make", "--no-print-directory", "ui", "AIRFLOW=3.3-browser"],
                cwd=root,
                env=clean | {"UI_HOME": str(home)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._home = home
        self.requests = requests.Session()
        self.requests.trust_env = False

    @property
    def said(self):
        return self._log.read_text()

    def wait_until_ready(self):
        wait_until(lambda: "Ctrl-C ends everything" in self.said or self._process.poll() is not None, "it is ready")
        assert self._process.poll() is None, self.said
        return re.search(r"^Airflow +(\S+)", self.said, re.MULTILINE)[1], re.search(r"emulator, (\S+)/v1", self.said)[1]

    def family(self):
        """Return all processes that run below its folder or were started by it."""
        started = psutil.Process(self._process.pid).children(recursive=True)
        return {one.pid: one for one in [*started, *self.in_folder()]}.values()

    def in_folder(self):
        """Return the processes that work in its folder."""
        folder = str(self._home)
        return [one for one in psutil.process_iter(["cwd"]) if (one.info["cwd"] or "").startswith(folder)]

    def interrupt(self):
        """Send what Ctrl-C sends: SIGINT to the whole group of the terminal; return when make has ended."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)

    def kill(self):
        for process in [*self.family()] if self._process.poll() is None else self.in_folder():
            process.kill()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def ui(tmp_path, pytestconfig):
    started = UI(pytestconfig.rootpath, tmp_path)
    try:
        yield started
    finally:
        started.kill()


def port_of(url):
    return int(url.rpartition(":")[2])


def test_a_dag_is_run_a_conversation_seen_and_nothing_left(ui, chromium):
    url, emulator = ui.wait_until_ready()
    assert "user admin, password admin" in ui.said
    assert "POST " not in ui.said  # no DAG has begun by itself

    context = chromium.new_context(base_url=url)
    page = context.new_page()
    Airflow3.log_in(None, page, "admin")
    page.goto("/dags/turn_by_turn")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    wait_until(lambda: deleted(ui, emulator), "a run has made a conversation and deleted it again", seconds=90)
    page.goto("/dags/turn_by_turn/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=60_000)
    context.close()
    (conversation,) = deleted(ui, emulator)
    assert conversation["metadata"]["airflow_dag_id"] == "turn_by_turn"
    assert "POST   /v1/conversations -> 200" in ui.said

    family = list(ui.family())
    assert len(family) > len(COMPONENTS)
    ui.interrupt()
    assert "Ending all processes ... done" in ui.said
    assert "Traceback" not in ui.said
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert ui.in_folder() == []
    for port in (port_of(url), port_of(emulator)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def deleted(ui, emulator):
    """Return the conversations of the DAG that were deleted with all that was in them."""
    state = ui.requests.get(f"{emulator}/_emulator/state", timeout=10).json()
    return [one for one in state["deleted"] if one["metadata"].get("airflow_dag_id") == "turn_by_turn"]
