"""The bounds of a call: its time, its attempts, and being told to stop."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry

interruptible = pytest.mark.parametrize("library", ["requests"])  # in an event loop, tasks are cancelled instead


def test_nothing_is_opened_before_the_first_call(make_client, emulator):
    make_client()
    assert emulator.requests == []


def test_a_repeatable_call_ends_within_its_time_budget(emulator, make_client):
    emulator.fail("getConversation", delay=30, times=None)
    client = make_client(timeout_read=30, retry=RequestRetry(attempts=50, wait_initial=0.01, timeout=0.6))
    began = time.monotonic()
    with pytest.raises(errors.APITimeoutError):
        client.send(conversations.get("c1"))
    assert time.monotonic() - began < 10  # of the 30 s that the server takes, and of 50 attempts


def test_no_attempt_begins_after_the_time_budget(emulator, make_client):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "0.5"}, times=None)
    client = make_client(retry=RequestRetry(attempts=50, timeout=1.8))
    with pytest.raises(errors.RateLimitError) as raised:
        client.send(conversations.create())
    assert 2 <= len(emulator.requests) <= 4
    assert emulator.requests[-1].received_at - emulator.requests[0].received_at <= 2.3  # the way there included
    attempts = len(emulator.requests)
    assert f"Gave up after {attempts} attempts, as the next would begin later than the allowed 1.8 s" in str(
        raised.value
    )


def test_a_creating_call_is_not_cut_short_by_the_time_budget(emulator, make_client):
    """Cut short, it would be ambiguous for no other reason than haste."""
    emulator.fail("createConversation", delay=0.4)
    client = make_client(timeout_read=5, retry=RequestRetry(timeout=0.1))
    created = client.send(conversations.create())
    assert [one["id"] for one in emulator.conversations] == [created.id]


def test_attempts_are_counted_from_the_first(emulator, make_client):
    emulator.fail("*", status=503, times=None)
    client = make_client(retry=RequestRetry(attempts=3, wait_initial=0))
    with pytest.raises(errors.InternalServerError):
        client.send(conversations.get("c1"))
    with pytest.raises(errors.InternalServerError):
        client.send(conversations.get("c1"), retry=RequestRetry(attempts=1))
    assert len(emulator.requests) == 4


def test_a_wait_beyond_the_cap_is_not_begun_and_said(emulator, make_client):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "40"})
    began = time.monotonic()
    with pytest.raises(errors.RateLimitError) as raised:
        make_client(retry=RequestRetry()).send(conversations.create())
    assert time.monotonic() - began < 5
    assert "Not waited for: 40 s is more than the longest allowed wait of 20 s" in str(raised.value)


@pytest.fixture
def waiting(emulator, make_client):
    """A client that is going to wait for an hour after its first attempt."""
    emulator.fail("createConversation", status=429, headers={"Retry-After": "3600"}, times=None)
    return make_client(retry=RequestRetry(wait_max=3600, timeout=7200))


@interruptible
def test_waiting_ends_at_once_when_a_signal_handler_interrupts(emulator, waiting):
    previous = signal.signal(signal.SIGALRM, lambda *_: waiting.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        began = time.monotonic()
        with pytest.raises(errors.InterruptedCallError, match="told to stop before attempt 2"):
            waiting.send(conversations.create())
        assert time.monotonic() - began < 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(emulator.requests) == 1


@interruptible
def test_waiting_ends_in_every_thread(waiting, caplog):
    caplog.set_level("INFO")
    ends = []

    def call():
        try:
            waiting.send(conversations.create())
        except errors.YandexAIStudioError as error:
            ends.append(type(error))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    while caplog.text.count("the next one follows in") < 4:
        time.sleep(0.01)
    waiting.interrupt()
    for thread in threads:
        thread.join(5)
    assert ends == [errors.InterruptedCallError] * 4


@interruptible
def test_nothing_is_sent_once_interrupted(emulator, client):
    client.interrupt()
    with pytest.raises(errors.InterruptedCallError) as raised:
        client.send(conversations.create())
    assert raised.value.applied is False
    assert emulator.requests == []


@interruptible
def test_an_interruption_after_a_lost_attempt_does_not_claim_that_nothing_was_changed(emulator, make_client):
    emulator.fail("createConversation", status=503, applied=True)
    client = make_client(retry=RequestRetry(wait_initial=0))
    with pytest.raises(errors.InterruptedCallError) as raised:
        client.send(conversations.create(), on_lost=lambda lost: client.interrupt())
    (sent,) = emulator.requests
    assert raised.value.lost_client_request_ids == (sent.headers["x-client-request-id"],)
    assert "An earlier attempt may have been applied" in str(raised.value)
    assert len(emulator.conversations) == 1


def test_an_error_that_is_not_ours_passes_through(client):
    class Stop(BaseException):
        pass

    def stop(lost):
        raise Stop

    call = conversations.get("c1")
    object.__setattr__(call, "parse", stop)
    with pytest.raises(Stop):
        client.send(call)
