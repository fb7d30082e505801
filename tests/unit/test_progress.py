"""The line that says how far a batch has come, at times that a test makes up."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_yandex_conv.bulk.progress import ProgressLine


class Clock:
    """The seconds, which a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def new_line(caplog, clock):
    """Return a function that makes the line of a batch, whose log is in ``caplog.messages``."""
    caplog.set_level("INFO")

    def make(total):
        return ProgressLine("conversations", logging.getLogger("progress"), total=total, clock=clock)

    return make


@pytest.mark.parametrize(
    ("total", "seconds", "counts", "text"),
    [
        pytest.param(
            10_000,
            10,
            {"done": 1_990, "found": 0, "failed": 10},
            "1,990 of 10,000 conversations done, 10 failed, 200.0 per second, about 40 s left",
            id="what failed is over as well",
        ),
        pytest.param(
            1_000,
            10,
            {"done": 600, "found": 500, "failed": 0},
            "600 of 1,000 conversations done, 0 failed, 10.0 per second, about 40 s left",
            id="what an earlier try has done is no speed",
        ),
        pytest.param(
            None,
            5,
            {"done": 50, "found": 0, "failed": 0},
            "50 conversations done, 0 failed, 10.0 per second",
            id="an input of unknown length",
        ),
        pytest.param(
            1_000,
            5,
            {"done": 0, "found": 0, "failed": 0},
            "0 of 1,000 conversations done, 0 failed, 0.0 per second",
            id="where nothing moves no time is made up",
        ),
    ],
)
def test_a_line_says_what_is_done_what_failed_how_fast_and_how_long_it_takes(
    new_line, caplog, clock, total, seconds, counts, text
):
    line = new_line(total)
    clock.now += seconds
    line.tell(**counts)
    assert caplog.messages == [text]


def test_there_is_a_line_every_few_seconds_only(new_line, caplog, clock):
    line = new_line(1_000)
    for number in range(120):
        line.tell(done=number, found=0, failed=0)
        clock.now += 0.25
    assert [text.split()[0] for text in caplog.messages] == ["20", "40", "60", "80", "100"]


def test_the_next_line_is_waited_for(new_line, clock):
    line = new_line(None)
    assert line.until_next == 5
    clock.now += 4
    assert line.until_next == 1
    clock.now += 4
    assert line.until_next == 0
    line.tell(done=1, found=0, failed=0)
    assert line.until_next == 5
