"""The sensor that waits for a new item in a conversation, on the worker and in the triggerer."""

from __future__ import annotations

import threading
import time

import pytest
from airflow.providers.common.compat.sdk import BaseSensorOperator

from airflow_provider_yandex_conv._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_yandex_conv.exceptions import NotFoundError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.sensors.items import YandexConversationItemSensor
from waiting import run

both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook()


@pytest.fixture
def conversation_id(hook):
    return hook.create_conversation(items=[{"role": "user", "content": "Hello"}]).id


@pytest.fixture
def first(emulator, conversation_id):
    return emulator.conversations[0]["items"][0]["id"]


def make(conversation_id, **arguments):
    arguments = {"poke_interval": 0.02, "timeout": 20, **arguments}
    return YandexConversationItemSensor(task_id="wait", conversation_id=conversation_id, **arguments)


def looks(emulator):
    return [one for one in emulator.requests if one.query.get("order") == "asc"]


@pytest.fixture
def once_looked():
    """Return a function that lets something happen when an emulator has been looked at so often."""
    threads = []

    def once_looked(emulator, times, act):
        def wait():
            until = time.monotonic() + 60
            while len(looks(emulator)) < times and time.monotonic() < until:
                time.sleep(0.01)
            act()

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield once_looked
    for thread in threads:
        thread.join()


def test_it_is_a_sensor_to_airflow(conversation_id):
    sensor = make(conversation_id, timeout=7)
    assert isinstance(sensor, BaseSensorOperator)
    assert (sensor.poke_interval, sensor.timeout, sensor.mode) == (0.02, 7, "poke")


@both
def test_without_after_what_is_there_already_counts(context, conversation_id, first, deferrable):
    assert run(make(conversation_id, deferrable=deferrable), context) == {
        "conversation_id": conversation_id,
        "item_id": first,
        "type": "message",
        "role": "user",
    }


@both
def test_it_waits_for_an_item_that_counts(emulator, context, hook, conversation_id, first, once_looked, deferrable):
    def say():
        hook.add_items(conversation_id, [{"role": role, "content": "Hush"} for role in ("user", "assistant", "user")])

    once_looked(emulator, 3, say)
    found = run(make(conversation_id, after=first, role="assistant", deferrable=deferrable), context)
    stored = emulator.conversations[0]["items"][2]
    assert found == {
        "conversation_id": conversation_id,
        "item_id": stored["id"],
        "type": "message",
        "role": "assistant",
    }
    assert len(looks(emulator)) >= 4


def test_on_a_worker_each_item_is_read_once(emulator, context, hook, conversation_id, once_looked):
    once_looked(emulator, 3, lambda: hook.add_items(conversation_id, [{"role": "assistant", "content": "Yes"}]))
    assert run(make(conversation_id, role="assistant"), context)
    before = emulator.conversations[0]["items"][0]["id"]
    assert {one.query.get("after") for one in looks(emulator)[1:]} == {before}


@both
@pytest.mark.parametrize(("knobs", "error"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)])
def test_the_timeout_is_that_of_airflows_sensors(context, conversation_id, first, deferrable, knobs, error):
    with pytest.raises(error):
        run(make(conversation_id, after=first, deferrable=deferrable, timeout=0.1, **knobs), context)


@both
def test_a_failure_that_a_retry_may_mend_is_left_to_airflow(
    emulator, context, conversation_id, first, monkeypatch, deferrable
):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    emulator.fail("listConversationItems", skip=1, status=503, times=None)
    with pytest.raises(YandexAIStudioError, match="HTTP 503"):
        run(make(conversation_id, after=first, deferrable=deferrable, soft_fail=True), context)


def test_a_conversation_that_is_not_there_may_be_there_later(context, emulator):
    with pytest.raises(NotFoundError):
        make("conv_none").execute(context)


def test_an_item_that_is_not_there_fails_for_good(context, conversation_id):
    with pytest.raises(AirflowFailException, match="msg_none"):
        make(conversation_id, after="msg_none").execute(context)


def test_its_trigger_waits_for_the_same(context, conversation_id, first):
    with pytest.raises(TaskDeferred) as deferred:
        make(
            conversation_id,
            after=first,
            role="assistant",
            item_type="message",
            deferrable=True,
            poke_interval=7,
            timeout=3600,
            yandex_ai_studio_conn_id="yandex_ai_studio_default",
        ).execute(context)
    arguments = deferred.value.trigger.serialize()[1]
    assert 3500 < arguments.pop("deadline") - time.time() <= 3600
    assert arguments == {
        "conversation_id": conversation_id,
        "after": first,
        "role": "assistant",
        "item_type": "message",
        "poll_interval": 7,
        "yandex_ai_studio_conn_id": "yandex_ai_studio_default",
    }


def test_a_deferred_wait_ends_a_dag_run(run_dag, emulator, once_looked):
    emulator.answer("Here I am", hold=True)
    once_looked(emulator, 5, emulator.release)
    outcome = run_dag("sensing_item")
    assert outcome.state == "success"
    (conversation,) = emulator.conversations
    assert outcome.xcom("wait") == {
        "conversation_id": conversation["id"],
        "item_id": conversation["items"][1]["id"],
        "type": "message",
        "role": "assistant",
    }
