"""Waiting that a signal handler can end."""

from __future__ import annotations

import queue
from contextlib import suppress


class Alarm:
    """
    Ends the waiting of all threads, and keeps it ended.

    Made of a queue, whose ``put`` may be called in a signal handler: an Event takes a lock that the interrupted code
    may hold.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Before Python 3.13, the first get() of a queue waits for ever where its time is up before it begins to wait.
        # It does not after one without a wait. https://github.com/python/cpython/blob/3.12/Modules/_queuemodule.c
        with suppress(queue.Empty):
            self._queue.get_nowait()

    def ring(self) -> None:
        """End all waiting, now and later. Safe in a signal handler."""
        self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait, or return at once when it has rung."""
        try:
            self._queue.get(timeout=seconds)
        except queue.Empty:
            return
        self._queue.put(None)  # for the other threads that wait
