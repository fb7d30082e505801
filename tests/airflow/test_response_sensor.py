"""The sensor that waits for a response of somebody else, on the worker and in the triggerer."""

from __future__ import annotations

import asyncio
import time

import pytest
from airflow.providers.common.compat.sdk import BaseSensorOperator

from airflow_provider_yandex_conv._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_yandex_conv.exceptions import (
    ConfigurationError,
    InternalServerError,
    NotFoundError,
    YandexAIStudioError,
)
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.sensors.responses import YandexResponseSensor
from waiting import run

ENDS = {
    "completed": {},
    "failed": {"error": {"code": "server_error", "message": "No more"}},
    "incomplete": {"reason": "max_output_tokens"},
    "cancelled": {"status": "cancelled"},
    "refused": {"refusal": "I will not"},
}


@pytest.fixture
def ask(emulator):
    """Return a function that asks for a response in the background and returns its id."""

    def ask(**answer):
        emulator.answer("Late" if answer.keys() <= {"hold", "reads"} else None, **answer)
        made = YandexAIStudioHook().create_response("Hello", model="gpt://b1g/m", background=True)
        while answer.get("hold") and emulator.responses_held != [made.id]:
            time.sleep(0.01)
        emulator.reset_requests()
        return made.id

    return ask


def make(response_id, **arguments):
    arguments = {"poke_interval": 0.02, "timeout": 20, **arguments}
    return YandexResponseSensor(task_id="wait", response_id=response_id, **arguments)


both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


def sent(emulator):
    return {one.operation for one in emulator.requests}


def test_it_is_a_sensor_to_airflow():
    sensor = make("resp_1", timeout=7)
    assert isinstance(sensor, BaseSensorOperator)
    assert (sensor.poke_interval, sensor.timeout, sensor.mode) == (0.02, 7, "poke")


@both
@pytest.mark.parametrize("end", ENDS)
def test_it_says_how_it_ended_where_every_end_is_welcome(emulator, context, ask, deferrable, end):
    response_id = ask(reads=["queued", "in_progress"], **ENDS[end])
    assert run(make(response_id, deferrable=deferrable, fail_on=()), context) == end
    assert sent(emulator) == {"getResponse"}
    assert len(emulator.requests) >= 3


@both
@pytest.mark.parametrize(
    ("end", "why"),
    [("failed", "No more"), ("incomplete", "max_output_tokens"), ("cancelled", "cancelled"), ("refused", "I will not")],
)
def test_an_end_that_is_no_answer_fails_for_good(emulator, context, ask, deferrable, end, why):
    response_id = ask(reads=["queued"], **ENDS[end])
    with pytest.raises(AirflowFailException) as failed:
        run(make(response_id, deferrable=deferrable), context)
    assert why in str(failed.value)
    assert response_id in str(failed.value)
    assert "pays" not in str(failed.value)
    assert str(failed.value).endswith("It will not change: whoever asked for it has to ask again.")


def test_only_the_ends_that_are_named_are_errors(context, ask):
    assert run(make(ask(**ENDS["cancelled"]), fail_on=["failed"]), context) == "cancelled"
    with pytest.raises(AirflowFailException):
        run(make(ask(**ENDS["failed"]), fail_on=["failed"]), context)


@pytest.mark.parametrize("fail_on", ["failed", ["failed", "completed"]])
def test_what_cannot_be_an_error_is_refused_in_the_dag(fail_on):
    with pytest.raises(ConfigurationError, match="fail_on"):
        make("resp_1", fail_on=fail_on)


@both
@pytest.mark.parametrize(("knobs", "error"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)])
def test_the_timeout_is_that_of_airflows_sensors(emulator, context, ask, deferrable, knobs, error):
    sensor = make(ask(hold=True), deferrable=deferrable, timeout=0.1, **knobs)
    with pytest.raises(error):
        run(sensor, context)
    assert [one["status"] for one in emulator.responses] == ["in_progress"]
    assert sent(emulator) == {"getResponse"}


@both
def test_never_fail_skips_whatever_happens(emulator, context, ask, monkeypatch, deferrable):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    response_id = ask(hold=True)
    emulator.fail("getResponse", skip=1, status=503, times=None)
    with pytest.raises(AirflowSkipException):
        run(make(response_id, deferrable=deferrable, never_fail=True), context)


@both
def test_a_failure_that_a_retry_may_mend_is_left_to_airflow(emulator, context, ask, monkeypatch, deferrable):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(retry_attempts=1))
    response_id = ask(hold=True)
    emulator.fail("getResponse", skip=1, status=503, times=None)
    with pytest.raises(YandexAIStudioError, match="HTTP 503") as failed:
        run(make(response_id, deferrable=deferrable, soft_fail=True), context)
    assert isinstance(failed.value, InternalServerError) != deferrable


def test_a_response_that_is_not_there_may_be_there_later(context, emulator):
    with pytest.raises(NotFoundError):
        make("resp_none").execute(context)


@both
def test_an_error_that_nothing_mends_fails_for_good(emulator, context, ask, deferrable):
    response_id = ask(hold=True)
    emulator.fail("getResponse", status=403, times=None)
    with pytest.raises(AirflowFailException, match="403"):
        run(make(response_id, deferrable=deferrable), context)


def test_what_has_ended_takes_no_triggerer(context, ask):
    response_id = ask(reads=["queued"])
    assert make(response_id).execute(context) == "completed"
    assert make(response_id, deferrable=True).execute(context) == "completed"


def test_its_trigger_looks_as_often_as_it_says_and_cancels_nothing(emulator, context, ask):
    response_id = ask(hold=True)
    with pytest.raises(TaskDeferred) as deferred:
        make(response_id, deferrable=True, poke_interval=7, timeout=3600).execute(context)
    trigger = deferred.value.trigger
    assert (trigger.poll_interval, trigger.max_poll_interval) == (7, 7)
    assert 3500 < trigger.deadline - time.time() <= 3600
    assert deferred.value.timeout.total_seconds() == 3660
    asyncio.run(trigger.on_kill())
    assert [one["status"] for one in emulator.responses] == ["in_progress"]


def test_a_pause_of_nothing_leaves_the_triggerer_to_others(context, ask):
    with pytest.raises(TaskDeferred) as deferred:
        make(ask(hold=True), deferrable=True, poke_interval=0).execute(context)
    assert deferred.value.trigger.poll_interval == 1


def test_a_deferred_wait_ends_a_dag_run(run_dag, emulator):
    emulator.answer("Late", reads=["queued", "in_progress", "in_progress"])
    outcome = run_dag("sensing_response")
    assert outcome.state == "success"
    assert outcome.xcom("wait") == "completed"
    assert len([one for one in emulator.requests if one.operation == "getResponse"]) >= 4


def test_a_deferred_wait_in_vain_is_skipped_with_its_retries_unused(run_dag, emulator):
    emulator.answer("Late", hold=True)
    outcome = run_dag("sensing_response_in_vain")
    assert outcome.states()["wait"] == "skipped"
    assert outcome.tries("wait") == 1
    assert {one.operation for one in emulator.requests} == {"createResponse", "getResponse"}
