"""The trigger that waits for a response: what its event says, and that it only reads."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger


@pytest.fixture
def response_id(emulator):
    """The id of a response in the background, which comes to its end when the emulator is told to release it."""
    emulator.answer("Late", hold=True)
    made = YandexAIStudioHook().create_response("Hello", model="gpt://b1g/m", background=True)
    while emulator.responses_held != [made.id]:
        time.sleep(0.01)
    return made.id


def make(response_id, **arguments):
    arguments = {"deadline": time.time() + 20, "poll_interval": 0.02, **arguments}
    return YandexResponseTrigger(response_id=response_id, **arguments)


def event_of(trigger):
    async def first():
        events = [event.payload async for event in trigger.run()]
        (only,) = events
        return only

    return asyncio.run(first())


def looks(emulator):
    return [one.status for one in emulator.requests if one.operation == "getResponse"]


def test_it_fires_once_the_response_has_ended(emulator, response_id):
    async def wait():
        waiting = asyncio.create_task(make(response_id).run().__anext__())
        while len(looks(emulator)) < 3 and not waiting.done():
            await asyncio.sleep(0.01)
        assert not waiting.done()
        emulator.release()
        return (await waiting).payload

    ended = {"response_id": response_id, "status": "completed", "error": None, "timed_out": False}
    assert asyncio.run(wait()) == ended
    assert {one.operation for one in emulator.requests} == {"createResponse", "getResponse"}


def test_the_deadline_ends_it_with_the_status_seen_last(emulator, response_id):
    event = event_of(make(response_id, deadline=time.time() + 0.1))
    assert (event["status"], event["timed_out"]) == ("in_progress", True)
    assert "not over by the deadline" in event["error"]


def test_failures_in_a_row_end_it_and_fewer_do_not(emulator, response_id, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    emulator.fail("getResponse", status=500, times=5)
    emulator.release()
    assert event_of(make(response_id))["status"] == "completed"
    emulator.fail("getResponse", status=500, times=6)
    event = event_of(make(response_id))
    assert (event["status"], event["timed_out"]) == (None, False)
    assert "HTTP 500" in event["error"]


def test_an_error_that_nothing_mends_ends_it_at_once(emulator, response_id):
    emulator.reset_requests()
    emulator.fail("getResponse", status=403, times=None)
    assert "403" in event_of(make(response_id))["error"]
    assert looks(emulator) == [403]


def test_it_survives_being_built_again_from_what_is_stored(emulator, response_id):
    path, arguments = make(response_id).serialize()
    assert path.endswith(".YandexResponseTrigger")
    again = YandexResponseTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    emulator.release()
    assert event_of(again)["status"] == "completed"


@pytest.mark.parametrize(("cancel", "status"), [(True, "cancelled"), (False, "in_progress")])
def test_a_user_who_ends_the_task_cancels_the_response(emulator, response_id, cancel, status):
    asyncio.run(make(response_id, cancel_on_kill=cancel).on_kill())
    assert [one["status"] for one in emulator.responses] == [status]


def test_others_in_the_loop_go_on_while_the_server_is_silent(emulator, response_id):
    emulator.fail("getResponse", delay=1, times=None)
    emulator.release()

    async def both():
        waiting = asyncio.create_task(make(response_id).run().__anext__())
        longest = 0.0
        while not waiting.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        return (await waiting).payload, longest

    event, longest = asyncio.run(both())
    assert event["status"] == "completed"
    assert longest < 0.9  # a look that blocked the loop would have taken the second that the server is silent


def test_nothing_secret_is_in_its_arguments(emulator, response_id, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT",
        json.dumps({"conn_type": "yandex_ai_studio", "password": "AQVN-planted"}),
    )
    assert "planted" not in repr(make(response_id).serialize())
