"""A client that is told to stop, by a signal as Airflow sends it: it ends within seconds, and keeps what it can."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager

import pytest
import requests

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.polling import Polling, PollSchedule
from airflow_provider_yandex_conv.transport import Transport

#: When Airflow kills a task that was told to stop, in seconds.
KILL = 5
#: As by default, so that nothing but the interruption ends a call.
PATIENT = {"retry": RequestRetry(), "timeout_connect": 10, "timeout_read": 30}


@pytest.fixture
def library():
    """In an event loop, tasks are cancelled instead."""
    return "requests"


@contextmanager
def interrupted(client, after=0.3):
    """Interrupt the client from a signal handler of this thread, which must then end before Airflow would kill it."""
    began = time.monotonic()
    previous = signal.signal(signal.SIGALRM, lambda *_: client.interrupt())
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < after + KILL


@pytest.fixture
def client(make_client):
    return make_client(**PATIENT)


def test_a_request_that_is_not_answered_is_cut_off(emulator, client):
    emulator.fail("createConversation", delay=25)
    with interrupted(client), pytest.raises(errors.AmbiguousOutcomeError) as raised:
        client.send(conversations.create(), on_lost=lambda _: None)
    (sent,) = emulator.requests
    assert raised.value.client_request_ids == (sent.headers["x-client-request-id"],)
    assert "No further attempt is made, as the task was told to stop" in str(raised.value)


def test_a_request_that_may_be_repeated_is_not(emulator, client):
    emulator.fail("getConversation", delay=25)
    with interrupted(client), pytest.raises(errors.APIConnectionError):
        client.send(conversations.get("c1"))
    assert len(emulator.requests) == 1


def test_an_answer_that_trickles_is_cut_off(emulator, client):
    emulator.fail("createConversation", trickle=0.2)
    with interrupted(client), pytest.raises(errors.AmbiguousOutcomeError):
        client.send(conversations.create())


def test_an_answer_that_comes_in_time_is_taken(emulator, client):
    emulator.fail("createConversation", delay=1.5)
    with interrupted(client):
        created = client.send(conversations.create())
    assert [one["id"] for one in emulator.conversations] == [created.id]


def test_a_request_over_tls_is_cut_off(tls_server, make_client):
    tls_server.delay = 6
    client = make_client(base_url=tls_server.base_url, verify=str(tls_server.certificate), **PATIENT)
    with interrupted(client), pytest.raises(errors.AmbiguousOutcomeError):
        client.send(conversations.create())
    assert len(tls_server.requests) == 1


def test_a_connection_that_is_not_accepted_is_not_waited_for(make_client, full_port):
    client = make_client(base_url=f"http://127.0.0.1:{full_port}/v1", **PATIENT)
    with (
        interrupted(client),
        pytest.raises(errors.InterruptedCallError, match="create conversation: told to stop before"),
    ):
        client.send(conversations.create())


@pytest.mark.parametrize("calls_before", [0, 1], ids=["new connection", "kept connection"])
def test_a_request_that_is_made_ready_is_not_sent_and_nobody_is_told_to_mend_anything(
    emulator, client, monkeypatch, calls_before
):
    for _ in range(calls_before):
        client.send(conversations.create())
    prepare = requests.PreparedRequest.prepare
    monkeypatch.setattr(
        requests.PreparedRequest, "prepare", lambda *args, **kwargs: client.pause(2) or prepare(*args, **kwargs)
    )
    with interrupted(client), pytest.raises(errors.InterruptedCallError) as raised:
        client.send(conversations.create())
    assert not raised.value.final
    assert len(emulator.requests) == calls_before


def test_a_request_for_a_token_is_cut_off(emulator, make_client):
    emulator.fail("getMetadataToken", delay=25)
    client = make_client(Metadata(emulator.metadata_address), **PATIENT)
    with interrupted(client), pytest.raises(errors.CredentialRefreshError):
        client.send(conversations.create())
    assert emulator.conversations == []


def test_a_token_that_comes_after_the_signal_is_not_used(emulator, make_client):
    emulator.fail("getMetadataToken", delay=1)
    client = make_client(Metadata(emulator.metadata_address), **PATIENT)
    with interrupted(client), pytest.raises(errors.InterruptedCallError, match="told to stop before attempt 1 was"):
        client.send(conversations.create())
    assert [request.operation for request in emulator.requests] == ["getMetadataToken"]


def test_an_attempt_that_was_noted_when_the_signal_came_is_not_sent(emulator, client):
    class Journal:
        def __init__(self):
            self.begun, self.refused_ids = [], []

        def begin(self, client_request_id):
            self.begun.append(client_request_id)
            client.pause(2)

        def refused(self, client_request_id):
            self.refused_ids.append(client_request_id)

    journal = Journal()
    with interrupted(client), pytest.raises(errors.InterruptedCallError):
        client.send(conversations.create(), journal=journal)
    assert emulator.requests == []
    assert journal.refused_ids == journal.begun != []


def test_a_request_that_begins_after_the_signal_is_cut_off(emulator, client, monkeypatch):
    """It had passed the last check before."""
    emulator.fail("createConversation", delay=25)
    exchange = Transport.exchange

    def late(*args, **kwargs):
        client.interrupt()
        return exchange(*args, **kwargs)

    monkeypatch.setattr(Transport, "exchange", late)
    began = time.monotonic()
    with pytest.raises(errors.AmbiguousOutcomeError):
        client.send(conversations.create())
    assert time.monotonic() - began < KILL
    assert len(emulator.requests) == 1


def test_a_request_for_a_token_by_a_transport_that_came_after_the_signal_is_cut_off(emulator, make_client, monkeypatch):
    emulator.fail("getMetadataToken", delay=25)
    client = make_client(Metadata(emulator.metadata_address), **PATIENT)
    make = Transport.__init__

    def late(*args, **kwargs):
        client.interrupt()
        make(*args, **kwargs)

    monkeypatch.setattr(Transport, "__init__", late)
    began = time.monotonic()
    with pytest.raises(errors.CredentialRefreshError):
        client.send(conversations.create())
    assert time.monotonic() - began < KILL


def test_requests_of_all_threads_are_cut_off(emulator, client):
    emulator.fail("createConversation", delay=25, times=None)
    ends = []

    def call():
        try:
            client.send(conversations.create())
        except errors.YandexAIStudioError as error:
            ends.append(type(error))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(emulator.requests) < 4:
        time.sleep(0.01)
    client.interrupt()
    for thread in threads:
        thread.join(KILL)
    assert ends == [errors.AmbiguousOutcomeError] * 4


@pytest.mark.parametrize("fault", [{}, {"delay": 25}, {"status": 503}], ids=["between", "in a look", "before another"])
def test_waiting_for_something_ends(emulator, client, fault):
    created = client.send(conversations.create())
    if fault:
        emulator.fail("getConversation", times=None, **fault)
    polling = Polling("x", PollSchedule(interval=60), lambda _: False, log=client.log)
    with interrupted(client), pytest.raises(errors.InterruptedCallError):
        polling.drive(lambda: client.send(conversations.get(created.id)), pause=client.pause)


def test_a_last_request_can_be_sent_afterwards(emulator, client):
    created = client.send(conversations.create())
    client.interrupt()
    client.uninterrupted().send(conversations.delete(created.id))
    assert emulator.conversations == []
    with pytest.raises(errors.InterruptedCallError):
        client.send(conversations.get(created.id))


def test_a_last_request_is_not_cut_off_for_the_one_before(emulator, client):
    """Both go over one connection, and the time that the first had left ends during the second."""
    emulator.fail("createConversation", delay=1.7)
    emulator.fail("deleteConversation", delay=1.5)
    with interrupted(client, after=0.1):
        created = client.send(conversations.create())
        client.uninterrupted().send(conversations.delete(created.id))
    assert emulator.conversations == []
