"""The trigger that waits for a new item: what its event says, and that it only reads."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.triggers.items import YandexConversationItemTrigger

SECRET_TEXT = "what it says stays there"


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook()


@pytest.fixture
def conversation_id(hook):
    return hook.create_conversation().id


@pytest.fixture
def say(hook, conversation_id):
    """Return a function that adds a message and returns its id."""

    def say(role="user"):
        (item,) = hook.add_items(conversation_id, [{"role": role, "content": SECRET_TEXT}])
        return item.id

    return say


def make(conversation_id, **arguments):
    arguments = {"deadline": time.time() + 20, "poll_interval": 0.02, **arguments}
    return YandexConversationItemTrigger(conversation_id=conversation_id, **arguments)


def event_of(trigger):
    async def first():
        (only,) = [event.payload async for event in trigger.run()]
        return only

    return asyncio.run(first())


def looks(emulator):
    return [one.status for one in emulator.requests if one.query.get("order") == "asc"]


def found(conversation_id, item_id, role="user"):
    return {"conversation_id": conversation_id, "item_id": item_id, "type": "message", "role": role}


def test_an_item_that_is_there_already_counts(conversation_id, say):
    first = say()
    say()
    assert event_of(make(conversation_id)) == found(conversation_id, first)


def test_it_fires_once_there_is_an_item_that_counts(emulator, conversation_id, say):
    before = say("assistant")

    async def wait():
        trigger = make(conversation_id, after=before, role="assistant")
        waiting = asyncio.create_task(trigger.run().__anext__())
        for role in ("user", "assistant"):
            begun = len(looks(emulator))
            while len(looks(emulator)) < begun + 2 and not waiting.done():
                await asyncio.sleep(0.01)
            assert not waiting.done()
            item_id = await asyncio.to_thread(say, role)
        return (await waiting).payload, item_id

    emulator.reset_requests()
    event, item_id = asyncio.run(wait())
    assert event == found(conversation_id, item_id, "assistant")
    assert SECRET_TEXT not in str(event)
    assert {one.operation for one in emulator.requests} == {"listConversationItems", "createConversationItems"}


def test_the_type_of_the_item_counts(hook, conversation_id, say):
    say()
    (output,) = hook.add_items(conversation_id, [{"type": "function_call_output", "call_id": "call_1", "output": "42"}])
    assert event_of(make(conversation_id, item_type="function_call_output")) == {
        "conversation_id": conversation_id,
        "item_id": output.id,
        "type": "function_call_output",
        "role": None,
    }


def test_the_deadline_ends_it(conversation_id):
    event = event_of(make(conversation_id, deadline=time.time() + 0.1))
    assert (event["item_id"], event["timed_out"]) == (None, True)
    assert f"a new item of conversation {conversation_id}: not over by the deadline" in event["error"]


def test_failures_in_a_row_end_it_and_fewer_do_not(emulator, conversation_id, say, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    item_id = say()
    emulator.fail("listConversationItems", status=500, times=5)
    assert event_of(make(conversation_id))["item_id"] == item_id
    emulator.fail("listConversationItems", status=500, times=6)
    event = event_of(make(conversation_id))
    assert (event["item_id"], event["timed_out"]) == (None, False)
    assert "HTTP 500" in event["error"]


def test_an_error_that_nothing_mends_ends_it_at_once(emulator, conversation_id):
    emulator.fail("listConversationItems", status=403, times=None)
    event = event_of(make(conversation_id))
    assert (event["item_id"], event["timed_out"]) == (None, False)
    assert "403" in event["error"]
    assert looks(emulator) == [403]


def test_it_survives_being_built_again_from_what_is_stored(conversation_id, say):
    item_id = say()
    path, arguments = make(conversation_id, role="user", item_type="message").serialize()
    assert path.endswith(".YandexConversationItemTrigger")
    again = YandexConversationItemTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    assert event_of(again)["item_id"] == item_id


def test_others_in_the_loop_go_on_while_the_server_is_silent(emulator, conversation_id, say):
    say()
    emulator.fail("listConversationItems", delay=1, times=None)

    async def both():
        waiting = asyncio.create_task(make(conversation_id).run().__anext__())
        longest = 0.0
        while not waiting.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        return (await waiting).payload, longest

    event, longest = asyncio.run(both())
    assert event["item_id"]
    assert longest < 0.9  # a look that blocked the loop would have taken the second that the server is silent


def test_nothing_secret_is_in_its_arguments(conversation_id, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT",
        json.dumps({"conn_type": "yandex_ai_studio", "password": "AQVN-planted"}),
    )
    assert "planted" not in repr(make(conversation_id).serialize())
