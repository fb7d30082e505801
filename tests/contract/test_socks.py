"""Requests through a SOCKS proxy, whose connections are made by a library of its own."""

from __future__ import annotations

import importlib
import signal
import socket
import sys
from types import ModuleType

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations


@pytest.fixture
def library():
    """aiohttp knows no SOCKS proxy."""
    return "requests"


@pytest.fixture
def client(make_client, monkeypatch):
    """A client behind a proxy that is not there: a stand-in for PySocks, which is optional, connects directly."""
    socks = ModuleType("socks")
    socks.PROXY_TYPE_SOCKS4, socks.PROXY_TYPE_SOCKS5 = 1, 2
    socks.ProxyError = type("ProxyError", (OSError,), {"socket_err": None})
    socks.create_connection = lambda to, *, timeout, **_: socket.create_connection(to, timeout)
    monkeypatch.setitem(sys.modules, "socks", socks)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    manager = importlib.import_module("urllib3.contrib.socks").SOCKSProxyManager
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks")
    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", manager)
    return lambda **endpoint: make_client(proxies={"http": "socks5h://proxy.invalid:1080"}, **endpoint)


class Journal:
    def __init__(self):
        self.refused_ids = []

    def begin(self, client_request_id):
        """Nothing is asked of it here."""

    def refused(self, client_request_id):
        self.refused_ids.append(client_request_id)


def test_a_create_is_sent_and_answered(emulator, client):
    created = client().send(conversations.create())
    assert [one["id"] for one in emulator.conversations] == [created.id]


def test_an_answer_that_is_cut_short_is_ambiguous(emulator, client):
    emulator.fail("createConversation", truncate=5)
    journal = Journal()
    with pytest.raises(errors.AmbiguousOutcomeError):
        client().send(conversations.create(), journal=journal)
    assert len(emulator.conversations) == 1
    assert journal.refused_ids == []


def test_a_stop_while_the_answer_is_waited_for_is_ambiguous_and_ends_the_wait(emulator, client):
    emulator.fail("createConversation", delay=20)
    stopped, journal = client(timeout_read=30), Journal()
    previous = signal.signal(signal.SIGALRM, lambda *_: stopped.interrupt())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(errors.AmbiguousOutcomeError):
            stopped.send(conversations.create(), journal=journal)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert len(emulator.requests) == 1
    assert journal.refused_ids == []


def test_what_did_not_get_through_was_not_sent(client):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        behind = client(base_url=f"http://127.0.0.1:{probe.getsockname()[1]}/v1")
        with pytest.raises(errors.APIConnectionError) as raised:
            behind.send(conversations.create())
    assert raised.value.applied is False
