"""Waiting in tests: for a condition, and no longer than it takes."""

from __future__ import annotations

import time


def wait_until(condition, what="the condition holds", *, seconds=120, meanwhile=None):
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if meanwhile is not None:
            meanwhile()
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.01)
    return found
