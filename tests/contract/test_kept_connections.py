"""Connections that are kept open: an attempt is one request over one of them, and its answer is its own."""

from __future__ import annotations

import socket
import threading

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry
from call_table import CALLS
from servers import answer, answering

FIRST, OWN, LATE = (answer("200 OK", b'{"id": "%s"}' % name) for name in (b"first", b"own", b"late"))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("before", [(), (FIRST,)], ids=["new", "kept"])
def test_an_attempt_is_one_request_whatever_becomes_of_its_connection(make_client, call, before):
    """A library that takes the closed connection for one that was idle too long sends the request again."""
    with answering(*before, None, OWN, OWN) as (port, seen):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1", retry=RequestRetry(attempts=1))
        for _ in before:
            client.send(conversations.create())
        with pytest.raises((errors.APIConnectionError, errors.AmbiguousOutcomeError)):
            client.send(call)
        assert len(seen) == len(before) + 1


def test_why_no_answer_came_is_said_once_the_only_request_was_sent(emulator, make_client):
    emulator.fail("getConversation", drop="reset")
    with pytest.raises(errors.APIConnectionError, match="Connection reset by peer") as raised:
        make_client(retry=RequestRetry(attempts=1)).send(conversations.get("c1"))
    assert raised.value.applied is None
    assert len(emulator.requests) == 1


def test_an_answer_that_comes_over_an_idle_connection_is_nobodys(make_client):
    idle, sent = threading.Event(), threading.Event()

    def answer_and_one_more(connection):
        connection.sendall(FIRST)
        assert idle.wait(5)
        connection.sendall(LATE)
        sent.set()

    with answering(answer_and_one_more, OWN) as (port, _):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1")
        assert client.send(conversations.create()).id == "first"
        idle.set()
        assert sent.wait(5)
        assert client.send(conversations.create()).id == "own"


def test_an_answer_that_comes_with_another_is_nobodys(make_client):
    with answering(FIRST + LATE, OWN) as (port, _):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1")
        assert client.send(conversations.create()).id == "first"
        assert client.send(conversations.create()).id == "own"


def test_a_connection_that_was_closed_while_idle_is_not_used(make_client):
    closed = threading.Event()

    def answer_and_close(connection):
        connection.sendall(FIRST)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with answering(answer_and_close, OWN) as (port, seen):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1", retry=RequestRetry(attempts=1))
        client.send(conversations.create())
        assert closed.wait(5)
        assert client.send(conversations.create()).id == "own"
        assert len(seen) == 2
