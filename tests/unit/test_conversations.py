from __future__ import annotations

import json

import pytest

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.models import Conversation, ConversationDeleted
from airflow_provider_yandex_conv.api.wire import Request, Response, Safety
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InvalidResponseError


def answer(body, status=200, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers, body=raw, received_at=0.0)


@pytest.mark.parametrize(
    ("call", "request_", "safety"),
    [
        (conversations.create(), Request("POST", "conversations", {}), Safety.CREATES),
        (
            conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "x"}]),
            Request("POST", "conversations", {"metadata": {"a": "b"}, "items": [{"role": "user", "content": "x"}]}),
            Safety.CREATES,
        ),
        (conversations.get("c1"), Request("GET", "conversations/c1"), Safety.REPEATABLE),
        (
            conversations.update("c1", metadata={}),
            Request("POST", "conversations/c1", {"metadata": {}}),
            Safety.REPEATABLE,
        ),
        (conversations.delete("c1"), Request("DELETE", "conversations/c1"), Safety.REPEATABLE),
    ],
)
def test_a_call_says_what_to_send_and_whether_it_may_be_sent_twice(call, request_, safety):
    assert (call.request, call.safety) == (request_, safety)


@pytest.mark.parametrize(
    ("conversation_id", "path"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("ä b", "%C3%A4%20b"), ("../x", "..%2Fx"), ("%2F", "%252F")],
)
def test_an_id_is_opaque_and_encoded_whole(conversation_id, path):
    assert conversations.get(conversation_id).request.path == f"conversations/{path}"


@pytest.mark.parametrize(
    "build", [conversations.get, conversations.delete, lambda i: conversations.update(i, metadata={})]
)
@pytest.mark.parametrize(
    ("conversation_id", "text"),
    [
        ("", "conversation_id is empty (0 characters); check the task that should have set it"),
        ("  ", "conversation_id is empty (2 characters)"),
        (None, "conversation_id must be a string, got NoneType"),
        (7, "conversation_id must be a string, got int"),
        ("..", "conversation_id is '..' (2 characters), which is not an id"),
    ],
)
def test_what_is_no_id_is_refused(build, conversation_id, text):
    with pytest.raises(ConfigurationError) as raised:
        build(conversation_id)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("body", "metadata"),
    [({"metadata": None}, {}), ({"metadata": {}}, {}), ({}, {}), ({"metadata": {"a": "b"}}, {"a": "b"})],
)
def test_metadata_may_be_null_empty_or_absent(body, metadata):
    raw = {"id": "c1", "object": "conversation", "created_at": 5, "new": 1, **body}
    conversation = conversations.create().parse(answer(raw))
    assert conversation == Conversation(id="c1", object="conversation", metadata=metadata, created_at=5)
    assert conversation.raw == raw
    assert conversation.as_dict() == {"id": "c1", "object": "conversation", "metadata": metadata, "created_at": 5}


def test_an_id_is_kept_whatever_else_is_missing_or_odd():
    assert conversations.create().parse(answer({"id": "c1", "created_at": "soon", "error": "odd"})).id == "c1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": ""},
        {"id": 7},
        {"id": None},
        [],
        "c1",
        {"error": {"message": "no"}},
        b"",
        b"{",
        b"<html>",
        b'{"id": "c',
    ],
)
def test_a_success_without_an_id_breaks_the_contract(body):
    with pytest.raises(InvalidResponseError) as raised:
        conversations.create().parse(answer(body))
    assert raised.value.applied is None


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({}, None),
        ({"x-request-id": "r", "x-server-trace-id": "t"}, "r"),
        ({"x-server-trace-id": "t"}, "t"),
    ],
)
def test_a_conversation_knows_the_request_that_support_asks_for(headers, request_id):
    assert conversations.get("c1").parse(answer({"id": "c1"}, **headers)).request_id == request_id


def test_a_delete_that_says_deleted_is_one():
    parsed = conversations.delete("c1").parse(answer({"id": "c1", "object": "conversation.deleted", "deleted": True}))
    assert parsed == ConversationDeleted(id="c1", deleted=True)


@pytest.mark.parametrize("body", [{"id": "c1", "deleted": False}, {"id": "c1"}, {"deleted": True}])
def test_a_delete_that_does_not_say_deleted_breaks_the_contract(body):
    with pytest.raises(InvalidResponseError):
        conversations.delete("c1").parse(answer(body))
