"""Reading on in a conversation, look by look, from a task and from an event loop."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.models import ItemPage
from airflow_provider_yandex_conv.api.new_items import NewItems
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook()


@pytest.fixture
def conversation_id(hook):
    return hook.create_conversation().id


@pytest.fixture
def say(hook, conversation_id):
    """Return a function that adds messages and returns their ids."""

    def say(*texts, role="user"):
        return [
            item.id
            for item in hook.add_items(conversation_id, [{"role": role, "content": str(text)} for text in texts])
        ]

    return say


@pytest.fixture(params=["task", "event loop"])
def look(request, hook):
    """Return a function that looks once and returns the ids of what it found."""

    async def in_loop(new):
        async with await hook.get_async_conn() as client:
            return await new.look_async(client.send)

    def look(new):
        found = new.look(hook.get_conn().send) if request.param == "task" else asyncio.run(in_loop(new))
        return [item.id for item in found]

    return look


def lists(emulator):
    """Return the lists of looks; an add reads the newest item first."""
    return [one for one in emulator.requests if one.query.get("order") == "asc"]


def test_each_item_is_found_once_in_order(look, say, conversation_id):
    new = NewItems(conversation_id)
    assert look(new) == []
    first = say("a", "b")
    assert look(new) == first
    assert look(new) == []
    assert look(new) == []
    second = say("c")
    assert look(new) == second


def test_it_begins_after_the_item_that_is_named(look, say, conversation_id):
    ids = say("a", "b", "c")
    assert look(NewItems(conversation_id, after=ids[0])) == ids[1:]
    assert look(NewItems(conversation_id, after=ids[2])) == []


def test_only_what_counts_is_found(look, say, hook, conversation_id):
    say("a")
    answers = say("b", role="assistant")
    (called,) = hook.add_items(conversation_id, [{"type": "function_call_output", "call_id": "call_1", "output": "42"}])
    assert look(NewItems(conversation_id, role="assistant")) == answers
    assert look(NewItems(conversation_id, item_type="function_call_output")) == [called.id]
    assert look(NewItems(conversation_id, role="assistant", item_type="message")) == answers
    assert look(NewItems(conversation_id, role="assistant", item_type="function_call_output")) == []


def test_pages_without_any_are_read_once_and_passed(look, say, emulator, conversation_id):
    passed = say(*range(250))
    new = NewItems(conversation_id, role="assistant")
    emulator.reset_requests()
    assert look(new) == []
    assert [one.query.get("after") for one in lists(emulator)] == [None, passed[99], passed[199]]
    emulator.reset_requests()
    answers = say("at last", role="assistant")
    assert look(new) == answers
    assert [one.query.get("after") for one in lists(emulator)] == [passed[-1]]


def test_a_look_ends_with_the_first_page_that_holds_something(look, say, emulator, conversation_id):
    ids = say(*range(120))
    new = NewItems(conversation_id)
    assert look(new) == ids[:100]
    assert look(new) == ids[100:]
    assert look(new) == []


def test_it_goes_on_where_another_process_has_come_to(look, say, conversation_id):
    new = NewItems(conversation_id)
    say(*range(30))
    look(new)
    later = say("later")
    assert len(new.read) == 10
    assert look(NewItems(conversation_id, read=new.read)) == later


@pytest.mark.parametrize("deleted", [1, 3])
def test_it_goes_on_after_what_is_left_when_items_are_deleted(look, say, hook, conversation_id, deleted):
    """As where each is worked off and then removed."""
    ids = say(*range(5))
    new = NewItems(conversation_id)
    look(new)
    for item_id in ids[-deleted:]:
        hook.delete_item(conversation_id, item_id)
    later = say("later")
    assert look(new) == later
    assert new.read == [*ids[: 5 - deleted], *later]


def test_it_begins_anew_when_nothing_of_what_it_read_is_left(look, say, hook, conversation_id):
    start, *ids = say(*range(4))
    new = NewItems(conversation_id, after=start)
    look(new)
    for item_id in ids:
        hook.delete_item(conversation_id, item_id)
    later = say("later")
    assert look(new) == later
    for item_id in (start, *later):
        hook.delete_item(conversation_id, item_id)
    last = say("last")
    assert look(new) == last


def test_an_item_to_begin_after_has_to_be_there(look, conversation_id):
    with pytest.raises(errors.BadRequestError, match="msg_none"):
        look(NewItems(conversation_id, after="msg_none"))


def test_a_conversation_that_is_gone_for_a_while_costs_no_progress(look, say, emulator, conversation_id):
    ids = say(*range(3))
    new = NewItems(conversation_id)
    look(new)
    emulator.fail("listConversationItems", status=404, times=4)
    with pytest.raises(errors.NotFoundError):
        look(new)
    assert new.read == ids
    assert look(new) == []


def test_a_failure_leaves_the_rest_to_the_next_look(look, say, emulator, conversation_id):
    say(*range(150))
    answers = say("yes", role="assistant")
    new = NewItems(conversation_id, role="assistant")
    emulator.fail("listConversationItems", skip=1, status=403)
    with pytest.raises(errors.PermissionDeniedError):
        look(new)
    assert look(new) == answers


def test_a_server_that_turns_in_circles_ends_the_look(say, hook, conversation_id):
    (item_id,) = say("a")
    item = hook.get_item(conversation_id, item_id)
    asked = []

    def send(call):
        asked.append(call)
        return ItemPage(items=(item,), has_more=True, last_id=item.id)

    assert NewItems(conversation_id, role="assistant").look(send) == ()
    assert len(asked) == 2


def test_a_conversation_without_an_id_is_refused_at_once():
    with pytest.raises(errors.ConfigurationError, match="conversation_id"):
        NewItems("")
