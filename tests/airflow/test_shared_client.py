"""Triggers of one event loop that use the same connection share a client, and nothing of how each ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_yandex_conv.exceptions import ConfigurationError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.triggers import clients
from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

VARIABLE = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"
DEFAULT = "yandex_ai_studio_default"


@pytest.fixture
def response_ids(emulator):
    made = [YandexAIStudioHook().create_response("Hello", model="gpt://b1g/m", background=True).id for _ in range(20)]
    emulator.reset_requests()
    return made


@pytest.fixture
def lookups(monkeypatch):
    """The ids of the connections that were looked up."""
    seen = []
    look_up = YandexAIStudioHook.get_connection

    def counted(conn_id):
        seen.append(conn_id)
        return look_up(conn_id)

    monkeypatch.setattr(YandexAIStudioHook, "get_connection", staticmethod(counted))
    return seen


async def event_of(response_id):
    trigger = YandexResponseTrigger(response_id=response_id, deadline=time.time() + 20, poll_interval=0.02)
    (event,) = [event.payload async for event in trigger.run()]
    return event


async def events_of(response_ids):
    return await asyncio.gather(*map(event_of, response_ids))


def test_many_triggers_ask_for_one_token_and_look_the_connection_up_once(emulator, response_ids, lookups, monkeypatch):
    key = emulator.new_service_account_key()
    iam = {"auth_type": "service_account", "service_account_key": key, "iam_url": emulator.iam_url}
    monkeypatch.setenv(VARIABLE, emulator.connection(**iam))
    events = asyncio.run(events_of(response_ids))
    assert [event["status"] for event in events] == ["completed"] * 20
    assert len(emulator.tokens) == 1
    assert lookups == [DEFAULT]


def test_a_trigger_that_is_cancelled_takes_nothing_from_the_others(response_ids):
    async def all_but_the_first():
        first, *others = [asyncio.create_task(event_of(one)) for one in response_ids]
        await asyncio.sleep(0)  # the first is the one who has the client made
        first.cancel()
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, *others = asyncio.run(all_but_the_first())
    assert isinstance(first, asyncio.CancelledError)
    assert [event["status"] for event in others] == ["completed"] * 19


def test_a_connection_that_cannot_be_used_is_told_to_each_and_looked_up_anew(
    emulator, response_ids, lookups, monkeypatch
):
    monkeypatch.setenv(VARIABLE, emulator.connection(auth_type="iam_token"))

    async def before_and_after_it_is_mended():
        before = await events_of(response_ids)
        assert lookups == [DEFAULT]
        monkeypatch.setenv(VARIABLE, emulator.connection())
        return before, await event_of(response_ids[0])

    before, after = asyncio.run(before_and_after_it_is_mended())
    assert len(before) == 20
    assert all("iam_token" in event["error"] for event in before)
    assert after["status"] == "completed"
    assert not clients._given


def test_one_that_begins_while_a_failed_client_is_still_held_gets_another(emulator, monkeypatch):
    async def hold_one_and_begin_another():
        monkeypatch.setenv(VARIABLE, emulator.connection(auth_type="iam_token"))
        key = asyncio.get_running_loop(), DEFAULT
        held = clients._given[key] = clients._Shared(DEFAULT)
        held.users = 1
        with pytest.raises(ConfigurationError):
            await held.client()
        monkeypatch.setenv(VARIABLE, emulator.connection())
        async with clients.SharedClient(DEFAULT) as client:
            return client

    assert asyncio.run(hold_one_and_begin_another()) is not None


def test_the_client_is_closed_by_the_last_who_leaves(response_ids):
    async def leave_one_by_one():
        async with clients.SharedClient(DEFAULT) as first:
            async with clients.SharedClient(DEFAULT) as second:
                assert second is first
                await event_of(response_ids[0])
                transport = first._transport
            assert not transport._session.closed
        return transport._session.closed, dict(clients._given)

    assert asyncio.run(leave_one_by_one()) == (True, {})


def test_one_that_begins_later_sees_a_change_of_the_connection_and_the_earlier_keeps_its_own(emulator, monkeypatch):
    async def change_the_connection():
        async with clients.SharedClient(DEFAULT) as early:
            monkeypatch.setenv(VARIABLE, emulator.connection(timeout_read=7))
            async with clients.SharedClient(DEFAULT) as soon:
                assert soon is early
            (shared,) = clients._given.values()
            shared._given_until = time.monotonic()
            async with clients.SharedClient(DEFAULT) as late:
                return early.endpoint.timeout_read, late.endpoint.timeout_read

    assert asyncio.run(change_the_connection()) == (30, 7)
    assert not clients._given


def test_so_many_looks_are_under_way_at_once_and_the_others_have_their_turn(emulator, response_ids, monkeypatch):
    monkeypatch.setattr(clients, "_UNDER_WAY", 3)
    emulator.fail("getResponse", hold="before", times=20)

    async def release_when_all_that_may_look():
        waiting = asyncio.ensure_future(events_of(response_ids))
        most = 0
        while not waiting.done():
            await asyncio.sleep(0.02)
            most = max(most, len(emulator.held))
            if len(emulator.held) == 3 or len(looks(emulator)) == 20:
                emulator.release()
        return most, await waiting

    most, events = asyncio.run(release_when_all_that_may_look())
    assert most == 3
    assert [event["status"] for event in events] == ["completed"] * 20


def looks(emulator):
    return [one for one in emulator.requests if one.operation == "getResponse"]
