"""When to look again and when to give up, in a task and in a trigger alike, on a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.polling import Polling, PollSchedule

NOW = 1_800_000_000.0
DOWN = errors.InternalServerError("HTTP 503: hush", status=503, request_id="r1")


class Server:
    """Gives these answers, raises those that are errors, and then repeats the last; each look takes its time."""

    def __init__(self, clock, *answers, takes=0.0):
        self.clock = clock
        self.answers = list(answers)
        self.takes = takes
        self.looked_at = []

    def look(self):
        self.looked_at.append(self.clock.now - NOW)
        self.clock.now += self.takes
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def look_async(self):
        return self.look()


class Clock:
    def __init__(self):
        self.now = NOW
        self.waits = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    async def pause_async(self, seconds):
        self.pause(seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["task", "trigger"])
def wait_for(request, clock):
    """Return a function that waits for ``done``, driven as in a task or as in a trigger."""

    def wait(server, schedule=None, draw=1.0):
        polling = Polling(
            "response resp_1",
            schedule or PollSchedule(),
            lambda status: status == "done",
            log=logging.getLogger("polling"),
            clock=clock,
            draw=lambda: draw,
        )
        if request.param == "task":
            return polling.drive(server.look, pause=clock.pause)
        return asyncio.run(polling.drive_async(server.look_async, pause=clock.pause_async))

    return wait


def test_what_is_over_already_is_not_waited_for(wait_for, clock):
    assert wait_for(Server(clock, "done")) == "done"
    assert clock.waits == []


def test_waits_grow_from_one_second_to_fifteen(wait_for, clock):
    assert wait_for(Server(clock, *["queued"] * 10, "done")) == "done"
    assert clock.waits == [1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 15, 15, 15]


def test_a_wait_is_drawn_between_its_half_and_its_whole():
    schedule = PollSchedule(interval=2)
    assert [schedule.wait(1, draw) for draw in (0, 0.5, 1)] == [1, 1.5, 2]
    assert [schedule.wait(1000, draw) for draw in (0, 1)] == [7.5, 15]


def test_an_interval_beyond_fifteen_seconds_is_kept(wait_for, clock):
    wait_for(Server(clock, *["queued"] * 3, "done"), PollSchedule(interval=60))
    assert clock.waits == [60, 60, 60]


def test_the_longest_interval_can_be_chosen(wait_for, clock):
    wait_for(Server(clock, *["queued"] * 4, "done"), PollSchedule(interval=2, max_interval=3))
    assert clock.waits == [2, 3, 3, 3]
    with pytest.raises(errors.ConfigurationError, match="poll interval"):
        PollSchedule(max_interval=0)


def test_the_last_look_is_at_the_deadline(wait_for, clock):
    server = Server(clock, "queued")
    with pytest.raises(errors.PollTimeoutError) as raised:
        wait_for(server, PollSchedule(deadline=NOW + 6))
    assert server.looked_at == [0, 1, 2.5, 4.75, 6]
    assert raised.value.found == "queued"
    assert str(raised.value) == (
        "response resp_1: not over by the deadline, after 5 looks. "
        "What is waited for may still come about; a retry with a later deadline goes on waiting."
    )


def test_what_the_last_look_finds_counts(wait_for, clock):
    assert wait_for(Server(clock, "queued", "queued", "done"), PollSchedule(deadline=NOW + 2)) == "done"
    assert clock.waits == [1, 1]


def test_there_is_a_look_even_if_the_deadline_has_passed(wait_for, clock):
    """As where a triggerer was down for long."""
    assert wait_for(Server(clock, "done"), PollSchedule(deadline=NOW - 100)) == "done"
    server = Server(clock, "queued")
    with pytest.raises(errors.PollTimeoutError):
        wait_for(server, PollSchedule(deadline=NOW - 100))
    assert len(server.looked_at) == 1


def test_the_time_that_looks_take_counts(wait_for, clock):
    server = Server(clock, "queued", takes=4)
    with pytest.raises(errors.PollTimeoutError):
        wait_for(server, PollSchedule(deadline=NOW + 6))
    assert server.looked_at == [0, 5]


def test_five_failures_in_a_row_are_tolerated(wait_for, clock):
    assert wait_for(Server(clock, *[DOWN] * 5, "queued", *[DOWN] * 5, "done")) == "done"


def test_the_sixth_failure_in_a_row_is_raised(wait_for, clock):
    server = Server(clock, "queued", DOWN)
    with pytest.raises(errors.InternalServerError) as raised:
        wait_for(server)
    assert raised.value is DOWN
    assert len(server.looked_at) == 7


def test_none_need_be_tolerated(wait_for, clock):
    with pytest.raises(errors.InternalServerError):
        wait_for(Server(clock, DOWN, "done"), PollSchedule(failures=0))


def test_what_is_not_found_may_be_there_at_a_later_look(wait_for, clock):
    assert wait_for(Server(clock, errors.NotFoundError("HTTP 404", status=404), "done")) == "done"


@pytest.mark.parametrize(
    "error",
    [
        errors.PermissionDeniedError("HTTP 403", status=403),
        errors.ConfigurationError("no such file"),
        errors.CredentialRefreshError("HTTP 401"),
        errors.InterruptedCallError("told to stop"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_later_look_can_mend_is_raised_at_once(wait_for, clock, error):
    server = Server(clock, error)
    with pytest.raises(type(error)):
        wait_for(server)
    assert len(server.looked_at) == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()], ids=repr)
def test_what_is_none_of_ours_passes_through(wait_for, clock, error):
    with pytest.raises(type(error)):
        wait_for(Server(clock, error))
    assert clock.waits == []


def test_the_wait_that_the_server_asks_for_is_kept(wait_for, clock):
    busy = errors.RateLimitError("HTTP 429", status=429, retry_after=40.0)
    assert wait_for(Server(clock, busy, "done")) == "done"
    assert clock.waits == [40]


def test_the_deadline_comes_before_the_wait_that_the_server_asks_for(wait_for, clock):
    busy = errors.RateLimitError("HTTP 429", status=429, retry_after=40.0)
    with pytest.raises(errors.PollTimeoutError) as raised:
        wait_for(Server(clock, "queued", busy), PollSchedule(deadline=NOW + 10))
    assert clock.now == NOW + 10
    assert raised.value.found == "queued"
    assert raised.value.__cause__ is busy


def test_a_line_per_failure_says_which_but_no_text_of_the_server(wait_for, clock, caplog):
    caplog.set_level("INFO")
    wait_for(Server(clock, DOWN, "done"))
    assert caplog.messages == [
        "response resp_1: look 1 failed, 1 in a row of the 5 that may: InternalServerError, HTTP 503, x-request-id r1; "
        "the next one follows in 1.00 s"
    ]


@pytest.mark.parametrize(
    "knobs",
    [
        {"interval": 0},
        {"interval": float("nan")},
        {"interval": "1"},
        {"interval": True},
        {"deadline": float("inf")},
        {"deadline": "tomorrow"},
        {"failures": -1},
        {"failures": 1.5},
    ],
    ids=str,
)
def test_a_number_that_makes_no_sense_is_refused(knobs):
    with pytest.raises(errors.ConfigurationError, match=f"got {next(iter(knobs.values()))!r}"):
        PollSchedule(**knobs)


def test_a_cancelled_wait_looks_no_more():
    looks = []

    async def look():
        looks.append(1)
        return "queued"

    async def main():
        polling = Polling("x", PollSchedule(interval=60), lambda _: False, log=logging.getLogger("polling"))
        task = asyncio.create_task(polling.drive_async(look))
        while not looks:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(main())
    assert len(looks) == 1
