"""The journal of a call that creates: each attempt is noted before it is sent, and again where it changed nothing."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations, items
from call_table import NOTHING, REPEATABLE


class Journal:
    """Keeps what it is told, and how many requests had come to the server by then."""

    def __init__(self, emulator):
        self._emulator = emulator
        self.begun = []
        self.refused_ids = []
        self.requests_before = []
        self.failures = []

    def begin(self, client_request_id):
        self.requests_before.append(len(self._emulator.requests))
        if self.failures:
            raise self.failures.pop(0)
        self.begun.append(client_request_id)

    def refused(self, client_request_id):
        self.refused_ids.append(client_request_id)


@pytest.fixture
def journal(emulator):
    return Journal(emulator)


def sent(emulator):
    return [request.headers["x-client-request-id"] for request in emulator.requests]


def test_an_attempt_is_noted_before_it_is_sent_by_the_id_that_the_server_sees(emulator, client, journal):
    created = client.send(conversations.create(), journal=journal)
    assert journal.begun == sent(emulator)
    assert journal.requests_before == [0]
    assert journal.refused_ids == []
    assert [one["id"] for one in emulator.conversations] == [created.id]


def test_every_attempt_is_noted(emulator, client, journal):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "0"}, times=2)
    client.send(conversations.create(), journal=journal)
    assert len(set(journal.begun)) == 3
    assert journal.begun == sent(emulator)
    assert journal.requests_before == [0, 1, 2]
    assert journal.refused_ids == journal.begun[:2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_noted(emulator, client, journal, status):
    emulator.fail("createConversation", status=status)
    with pytest.raises(errors.APIStatusError):
        client.send(conversations.create(), journal=journal)
    assert journal.refused_ids == journal.begun == sent(emulator)


def test_a_connection_that_is_refused_is_noted_as_such(make_client, journal):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        client = make_client(base_url=f"http://127.0.0.1:{probe.getsockname()[1]}/v1")
        with pytest.raises(errors.APIConnectionError):
            client.send(conversations.create(), journal=journal)
    assert len(journal.begun) == 4
    assert journal.refused_ids == journal.begun


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "reset"}, {"delay": 0.8}, {"body": "{"}], ids=str)
def test_an_attempt_that_may_have_been_applied_is_not_noted_as_refused(emulator, client, journal, fault):
    emulator.fail("createConversation", **fault)
    with pytest.raises(errors.AmbiguousOutcomeError) as raised:
        client.send(conversations.create(), journal=journal)
    assert raised.value.client_request_ids == tuple(journal.begun)
    assert journal.refused_ids == []


def test_a_lost_attempt_that_is_repeated_stays_noted(emulator, client, journal):
    emulator.fail("createConversation", status=503, applied=True)
    client.send(conversations.create(), on_lost=lambda lost: None, journal=journal)
    assert journal.begun == sent(emulator)
    assert len(journal.begun) == 2
    assert journal.refused_ids == []


def test_what_cannot_be_noted_is_not_sent(emulator, client, journal):
    journal.failures = [RuntimeError("the disk is full")]
    with pytest.raises(RuntimeError, match="the disk is full"):
        client.send(conversations.create(), journal=journal)
    assert emulator.requests == []
    assert journal.refused_ids == []
    assert client.cut_off is None


def test_what_cannot_be_noted_now_is_sent_once_it_can(emulator, client, journal):
    busy = errors.YandexAIStudioError("the store is busy")
    busy.transient = True
    journal.failures = [busy]
    client.send(conversations.create(), journal=journal)
    assert journal.begun == sent(emulator)
    assert len(journal.begun) == 1
    assert journal.refused_ids == []


def test_what_cannot_be_noted_for_good_ends_the_call(emulator, client, journal):
    journal.failures = [errors.YandexAIStudioError("the store is gone")]
    with pytest.raises(errors.YandexAIStudioError, match="create conversation: the store is gone"):
        client.send(conversations.create(), journal=journal)
    assert emulator.requests == []


def test_a_token_is_there_before_an_attempt_is_noted(server, accepted_key, connect_to):
    hook = connect_to(auth_type="service_account", service_account_key=accepted_key)
    journal = Journal(server)
    hook.create_conversation(journal=journal)
    assert journal.requests_before == [1]
    assert [request.operation for request in server.requests] == ["createIamToken", "createConversation"]
    assert journal.begun == sent(server)[1:]


def test_an_attempt_without_a_token_is_not_noted(server, accepted_key, connect_to):
    hook = connect_to(auth_type="service_account", service_account_key=accepted_key)
    server.fail("createIamToken", status=403)
    journal = Journal(server)
    with pytest.raises(errors.CredentialRefreshError):
        hook.create_conversation(journal=journal)
    assert journal.requests_before == []
    assert server.conversations == []


def test_a_refused_token_is_noted_and_the_next_attempt_as_well(server, accepted_key, connect_to):
    hook = connect_to(auth_type="service_account", service_account_key=accepted_key)
    journal = Journal(server)
    server.fail("createConversation", status=401)
    hook.create_conversation(journal=journal)
    assert len(journal.begun) == 2
    assert journal.refused_ids == journal.begun[:1]


def test_adding_items_is_noted_and_what_may_be_repeated_is_not(client, journal):
    created = client.send(conversations.create(items=[{"role": "user", "content": "Hello"}]))
    (item,) = client.send(items.list_page(created.id)).items
    client.send(items.create(created.id, [{"role": "user", "content": "x"}]), journal=journal)
    assert len(journal.begun) == 1
    for build, _ in REPEATABLE.values():
        with suppress(errors.NotFoundError):
            client.send(build(NOTHING._replace(conversation_id=created.id, item_id=item.id)), journal=journal)
    assert len(journal.begun) == 1
