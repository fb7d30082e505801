"""The line that says how far a batch has come, at times that a test makes up."""

from __future__ import annotations

import pytest

from airflow_provider_yandex_conv.bulk.progress import ProgressLine


class Log:
    """Keeps the lines as they are written."""

    def __init__(self):
        self.lines = []

    def info(self, template, *arguments):
        self.lines.append(template % arguments)


class Clock:
    """The seconds, which a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def clock():
    return Clock()


def test_a_line_says_what_is_done_what_failed_how_fast_and_how_long_it_takes(log, clock):
    line = ProgressLine("conversations", log, total=10_000, clock=clock)
    clock.now += 10
    line.tell(done=1_990, found=0, failed=10)
    assert log.lines == ["1,990 of 10,000 conversations done, 10 failed, 200.0 per second, about 40 s left"]


def test_there_is_a_line_every_few_seconds_only(log, clock):
    line = ProgressLine("conversations", log, total=1_000, clock=clock)
    for number in range(120):
        line.tell(done=number, found=0, failed=0)
        clock.now += 0.25
    assert [text.split()[0] for text in log.lines] == ["20", "40", "60", "80", "100"]


def test_the_next_line_is_waited_for(log, clock):
    line = ProgressLine("conversations", log, total=None, clock=clock)
    assert line.until_next == 5
    clock.now += 4
    assert line.until_next == 1
    clock.now += 4
    assert line.until_next == 0
    line.tell(done=1, found=0, failed=0)
    assert line.until_next == 5


def test_what_an_earlier_try_has_done_does_not_count_as_speed(log, clock):
    line = ProgressLine("conversations", log, total=1_000, clock=clock)
    clock.now += 10
    line.tell(done=600, found=500, failed=0)
    assert log.lines == ["600 of 1,000 conversations done, 0 failed, 10.0 per second, about 40 s left"]


def test_an_input_of_unknown_length_has_no_time_left(log, clock):
    line = ProgressLine("conversations", log, total=None, clock=clock)
    clock.now += 5
    line.tell(done=50, found=0, failed=0)
    assert log.lines == ["50 conversations done, 0 failed, 10.0 per second"]


def test_where_nothing_moves_no_time_is_made_up(log, clock):
    line = ProgressLine("conversations", log, total=1_000, clock=clock)
    clock.now += 5
    line.tell(done=0, found=0, failed=0)
    assert log.lines == ["0 of 1,000 conversations done, 0 failed, 0.0 per second"]
