"""The trigger as an event trigger: it fires for each item, for ever, and knows after a restart where it was."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from types import SimpleNamespace

import airflow
import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_yandex_conv.exceptions import ConfigurationError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.triggers import items
from airflow_provider_yandex_conv.triggers.items import YandexConversationItemTrigger

AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])
with_assets = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow has asset watchers from 3.0 on")
with_store = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has the asset state store from 3.3 on")


class FakeStore:
    """The asset state store as a trigger of one asset sees it: JSON by key."""

    def __init__(self):
        self.kept = {}
        self.error = None

    async def aget(self, key, default=None):
        return json.loads(self.kept[key]) if key in self.kept else default

    async def aset(self, key, value):
        if self.error:
            raise self.error
        self.kept[key] = json.dumps(value)


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook()


@pytest.fixture
def conversation_id(hook):
    return hook.create_conversation().id


@pytest.fixture
def say(hook, conversation_id):
    """Return a function that adds messages and returns their ids."""

    def say(*roles):
        return [one.id for one in hook.add_items(conversation_id, [{"role": role, "content": "Hi"} for role in roles])]

    return say


@pytest.fixture(autouse=True)
def _passed_on_at_once(monkeypatch):
    monkeypatch.setattr(items, "_PASSED_ON_AFTER", 0.0)


def make(conversation_id, store=None, **arguments):
    trigger = YandexConversationItemTrigger(conversation_id=conversation_id, poll_interval=0.02, **arguments)
    trigger.asset_state_store = store
    return trigger


def fired(trigger, count, *, then=None):
    """Run a trigger until it has fired so often, and has looked again; return the ids of the items."""

    async def take():
        ids = []
        async with aclosing(trigger.run()) as events:
            while len(ids) < count:
                ids.append((await anext(events)).payload["item_id"])
            await then(events)
        return ids

    async def noted(events):
        """Let it go on behind the last event: what it has read is kept, and no other event follows."""
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 0.3)

    then = then or noted
    return asyncio.run(take())


async def at_once(events):
    """End it right behind its last event, as a triggerer that dies."""


def test_it_fires_for_each_item_in_order(conversation_id, say):
    ids = say("user", "assistant", "user")
    assert fired(make(conversation_id), 3) == ids
    assert fired(make(conversation_id, role="user"), 2) == [ids[0], ids[2]]
    assert fired(make(conversation_id, after=ids[1]), 1) == [ids[2]]


def test_it_goes_on_for_what_comes_later(conversation_id, say):
    async def take():
        async with aclosing(make(conversation_id).run()) as events:
            for _ in range(3):
                (added,) = await asyncio.to_thread(say, "user")
                assert (await anext(events)).payload == {
                    "conversation_id": conversation_id,
                    "item_id": added,
                    "type": "message",
                    "role": "user",
                }

    asyncio.run(take())


@pytest.mark.parametrize("status", [403, 404, 503])
def test_it_goes_on_after_any_error(emulator, conversation_id, say, monkeypatch, logged, status):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    ids = say("user")
    emulator.fail("listConversationItems", status=status, times=13)
    assert fired(make(conversation_id), 1) == ids
    assert f"Looking into conversation {conversation_id} goes on after: " in logged()
    assert len([one for one in emulator.requests if one.status == status]) == 13


def test_a_restart_goes_on_where_it_was(conversation_id, say):
    store = FakeStore()
    say("user", "user")
    fired(make(conversation_id, store), 2)
    later = say("user")
    assert fired(make(conversation_id, store), 1) == later
    assert fired(make(conversation_id, store), 0) == []


def test_what_was_not_passed_on_fires_again(conversation_id, say):
    store = FakeStore()
    ids = say("user", "user")
    assert fired(make(conversation_id, store), 2, then=at_once) == ids
    assert store.kept == {}
    assert fired(make(conversation_id, store), 2) == ids


def test_another_choice_of_items_has_another_place(conversation_id, say):
    store = FakeStore()
    ids = say("user", "assistant")
    assert fired(make(conversation_id, store), 2) == ids
    assert fired(make(conversation_id, store, role="user"), 1) == ids[:1]
    assert fired(make(conversation_id, store, after=ids[0]), 1) == ids[1:]
    assert fired(make(conversation_id, store, item_type="message"), 2) == ids
    assert len(store.kept) == 4
    assert all(len(key) < 100 for key in store.kept)


def test_without_a_store_a_restart_begins_anew_as_it_says(conversation_id, say, logged):
    ids = say("user")
    assert [fired(make(conversation_id), 1) for _ in range(2)] == [ids, ids]
    assert "No asset state store (Airflow 3.3 has one): a new start of this trigger begins anew" in logged()


def test_a_store_that_cannot_be_written_is_said_and_ends_nothing(conversation_id, say, logged):
    store = FakeStore()
    store.error = RuntimeError("the server is down")
    ids = say("user")

    async def later(events):
        added = await asyncio.to_thread(say, "user")
        assert (await anext(events)).payload["item_id"] == added[0]

    assert fired(make(conversation_id, store), 1, then=later) == ids
    assert "after a new start of this trigger its last events fire again" in logged()


def test_a_store_that_cannot_be_read_never_means_that_there_is_nothing(conversation_id, say):
    async def unreadable(key):
        raise RuntimeError("the server is down")

    say("user")
    with pytest.raises(RuntimeError, match="the server is down"):
        fired(make(conversation_id, SimpleNamespace(aget=unreadable, aset=None)), 1)


@with_store
def test_several_assets_of_one_trigger_have_no_store_in_common(conversation_id, say, logged):
    from airflow.sdk import Asset
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    ids = say("user")
    store = AssetStateStoreAccessors(inlets=[Asset("one"), Asset("another")])
    assert fired(make(conversation_id, store), 1) == ids
    assert "This trigger watches over several assets" in logged()


@with_assets
def test_an_asset_takes_it_as_its_watcher(conversation_id):
    from airflow.sdk import Asset, AssetWatcher
    from airflow.triggers.base import BaseEventTrigger

    trigger = make(conversation_id, role="user")
    (watcher,) = Asset("inbox", watchers=[AssetWatcher(name="new items", trigger=trigger)]).watchers
    assert watcher.trigger is trigger
    path, arguments = trigger.serialize()
    again = YandexConversationItemTrigger(**json.loads(json.dumps(arguments)))
    assert BaseEventTrigger.hash(path, arguments) == BaseEventTrigger.hash(*again.serialize())


def test_it_is_a_trigger_to_every_airflow(conversation_id):
    assert isinstance(make(conversation_id), BaseTrigger)
    assert make(conversation_id).supports_triggerer_queue


@pytest.mark.parametrize("arguments", [{"conversation_id": ""}, {"conversation_id": "conv_1", "poll_interval": 0}])
def test_what_a_triggerer_could_only_try_again_is_refused_in_the_dag(arguments):
    with pytest.raises(ConfigurationError):
        YandexConversationItemTrigger(**arguments)
