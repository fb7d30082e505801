"""The thirteen calls, by the vendor's name of their endpoint."""

from __future__ import annotations

import time
from typing import NamedTuple

from airflow_provider_yandex_conv.api import conversations, items, responses

MODEL = "gpt://b1g/yandexgpt"


class Thread(NamedTuple):
    """The ids of a conversation with metadata ``{"a": "b"}``, of its one item, and of a response that is under way."""

    conversation_id: str
    item_id: str
    response_id: str


class Stored(NamedTuple):
    """What a server holds: the metadata of each conversation, how many items, and the status of each response."""

    metadata: list
    items: int
    responses: list


#: Things that need not exist.
NOTHING = Thread("c1", "i1", "r1")
#: What is stored with a thread.
AT_FIRST = Stored([{"a": "b"}], 1, ["in_progress"])
#: The calls that leave the same state when they are repeated: how to build one, and what is stored then.
REPEATABLE = {
    "getConversation": (lambda thread: conversations.get(thread.conversation_id), AT_FIRST),
    "updateConversation": (
        lambda thread: conversations.update(thread.conversation_id, metadata={"c": "d"}),
        AT_FIRST._replace(metadata=[{"c": "d"}]),
    ),
    "deleteConversation": (
        lambda thread: conversations.delete(thread.conversation_id),
        AT_FIRST._replace(metadata=[], items=0),
    ),
    "listConversationItems": (lambda thread: items.list_page(thread.conversation_id), AT_FIRST),
    "getConversationItem": (lambda thread: items.get(thread.conversation_id, thread.item_id), AT_FIRST),
    "deleteConversationItem": (
        lambda thread: items.delete(thread.conversation_id, thread.item_id),
        AT_FIRST._replace(items=0),
    ),
    "getResponse": (lambda thread: responses.get(thread.response_id), AT_FIRST),
    "cancelResponse": (lambda thread: responses.cancel(thread.response_id), AT_FIRST._replace(responses=["cancelled"])),
    "deleteResponse": (lambda thread: responses.delete(thread.response_id), AT_FIRST._replace(responses=[])),
    "listInputItems": (lambda thread: responses.input_items(thread.response_id), AT_FIRST),
}
#: The calls that store something anew when they are repeated: how to build one, and how many things it stores.
CREATING = {
    "createConversation": (lambda thread: conversations.create(metadata={"new": "one"}), 1),
    "createConversationItems": (
        lambda thread: items.create(thread.conversation_id, [{"role": "user", "content": "x"}]),
        1,
    ),
    # a response, and the turn in the conversation: what was asked and what was answered
    "createResponse": (lambda thread: responses.create("x", model=MODEL, conversation_id=thread.conversation_id), 3),
}


def build(operation, thread):
    """Return a call for a thread."""
    return {**REPEATABLE, **CREATING}[operation][0](thread)


CALLS = {operation: build(operation, NOTHING) for operation in (*REPEATABLE, *CREATING)}


def new_thread(emulator, client):
    """Store a thread."""
    created = client.send(conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "Hello"}]))
    (item,) = client.send(items.list_page(created.id)).items
    emulator.answer(hold=True)
    response = client.send(responses.create("Hello", model=MODEL, background=True))
    until = time.monotonic() + 10
    while not emulator.responses_held:
        assert time.monotonic() < until
        time.sleep(0.005)
    return Thread(created.id, item.id, response.id)


def stored(emulator):
    """Return what an emulator holds."""
    return Stored(
        [conversation["metadata"] for conversation in emulator.conversations],
        sum(len(conversation["items"]) for conversation in emulator.conversations),
        [response["status"] for response in emulator.responses],
    )


def count_of_things(emulator):
    """Return how many conversations, items and responses an emulator holds."""
    held = stored(emulator)
    return len(held.metadata) + held.items + len(held.responses)
