"""A response over several tries of its task: it is paid for once, and the usage of all tries is told."""

from __future__ import annotations

import os
import signal
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException, TaskDeferred
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator
from state_store import SupervisorError

KEY = "yandex_ai_studio_response"
CREATE = "createResponse"
USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


@pytest.fixture
def conversation(emulator):
    return YandexAIStudioHook().create_conversation(items=[{"role": "user", "content": "Before"}]).id


@pytest.fixture
def attempt(context, store, conversation):
    """Return a function that runs one try of the task, with an operator of its own."""
    context["ti"].max_tries = 3
    context["task_state_store"] = store
    context["ti"].try_number = 0

    def run(**arguments):
        context["ti"].try_number += 1
        context["pushed"].clear()  # as Airflow does before each try
        return operator(conversation, **arguments).execute(context)

    return run


def operator(conversation, **arguments):
    defaults = {"model": "gpt://b1g/yandexgpt", "input": "Hello", "poll_interval": 0.02, "timeout": 10}
    arguments = {"conversation_id": conversation, **defaults, **arguments}
    return YandexCreateResponseOperator(
        task_id="ask", request_retry=RequestRetry(attempts=3, wait_initial=0), **arguments
    )


def asked(emulator):
    return [one for one in emulator.requests if one.operation == CREATE]


def turns(emulator):
    (stored,) = emulator.conversations
    return [(item["role"], item["content"][0]["text"]) for item in stored["items"]][1:]


def test_a_retry_uses_the_response_of_the_try_before(attempt, emulator, context, logged):
    emulator.answer("Once", usage=USAGE)
    assert attempt() == attempt() == "Once"
    (response,) = emulator.responses
    assert len(asked(emulator)) == 1
    assert turns(emulator) == [("user", "Hello"), ("assistant", "Once")]
    assert f"Using response {response['id']}, which an earlier try of this task asked for" in logged()
    assert context["pushed"]["usage"]["2"]["response_id"] == response["id"]


def test_a_retry_waits_on_for_a_response_in_the_background(attempt, emulator):
    emulator.answer("Late", hold=True)
    with pytest.raises(errors.ResponseTimeoutError, match="is still"):
        attempt(background=True, timeout=0.2)
    emulator.release()
    assert attempt(background=True) == "Late"
    assert len(asked(emulator)) == 1


def test_a_retry_defers_for_the_response_of_the_try_before(attempt, emulator):
    emulator.answer("Late", hold=True)
    triggers = []
    for _ in range(2):
        with pytest.raises(TaskDeferred) as deferred:
            attempt(deferrable=True)
        triggers.append(deferred.value.trigger)
    assert {one.response_id for one in triggers} == {emulator.responses[0]["id"]}
    assert len(asked(emulator)) == 1


def test_the_usage_of_all_tries_is_told_each_response_once(attempt, emulator, context, logged):
    emulator.answer("no JSON", usage=USAGE)
    emulator.answer('{"a": 1}', usage={"input_tokens": 5, "output_tokens": 6, "total_tokens": 11})
    schema = {"type": "object", "required": ["a"]}
    with pytest.raises(errors.ResponseSchemaError):
        attempt(output_schema=schema)
    assert attempt(output_schema=schema) == {"a": 1}
    first, second = emulator.responses
    usage = context["pushed"]["usage"]
    assert {number: one["response_id"] for number, one in usage.items()} == {"1": first["id"], "2": second["id"]}
    assert sum(one["total_tokens"] for one in usage.values()) == 18
    assert (
        f"Asking, and paying, again: response {first['id']}, which an earlier try asked for, is of no use" in logged()
    )


class TestUnknownOutcome:
    """The try before ended after its request was noted, and before an answer was."""

    @pytest.fixture
    def die(self, attempt, store):
        def run(**arguments):
            # The store holds the intent; the note of the answer never arrives, as if the worker had died.
            store.faults = {("set", store.calls.count("set") + 2): KeyboardInterrupt()}
            with pytest.raises(KeyboardInterrupt):
                attempt(**arguments)
            store.faults = {}

        return run

    @pytest.mark.parametrize("background", [False, True])
    def test_the_answer_is_recovered_from_the_conversation(self, die, attempt, emulator, background):
        emulator.answer("Found", delay=0.1)
        die(background=background)
        assert attempt(background=background) == "Found"
        assert len(asked(emulator)) == 1
        assert turns(emulator) == [("user", "Hello"), ("assistant", "Found")]

    def test_a_third_try_recovers_it_again(self, die, attempt, emulator):
        emulator.answer("Found")
        die()
        assert attempt() == attempt() == "Found"
        assert len(asked(emulator)) == 1

    def test_with_fail_the_task_ends(self, die, attempt, emulator):
        die(on_ambiguous="fail")
        with pytest.raises(AirflowFailException, match="not retried, as asking again may pay twice") as raised:
            attempt(on_ambiguous="fail")
        assert len(asked(emulator)) == 1
        assert asked(emulator)[0].headers["x-client-request-id"] in str(raised.value)

    def test_outside_a_conversation_the_task_ends(self, die, attempt, emulator):
        die(conversation_id=None)
        with pytest.raises(AirflowFailException, match="not retried"):
            attempt(conversation_id=None)
        assert len(asked(emulator)) == 1

    def test_one_that_is_not_found_yet_is_looked_for_by_the_next_try(self, attempt, emulator):
        emulator.fail(CREATE, status=504, late=1)
        with pytest.raises(errors.AmbiguousOutcomeError, match="A retry looks again"):
            attempt(timeout=0.2)
        assert attempt().startswith("2 messages seen")
        assert len(asked(emulator)) == 1


def test_a_response_that_is_gone_is_looked_for_in_the_conversation(attempt, emulator):
    emulator.answer("Kept there")
    assert attempt(options={"store": False}) == "Kept there"
    assert attempt(options={"store": False}) == "Kept there"
    assert len(asked(emulator)) == 1


def test_a_user_who_clears_the_task_is_told_what_it_cost_before(attempt, emulator, context, logged):
    attempt()
    context["ti"].max_tries += 1
    attempt()
    assert len(emulator.responses) == 2
    assert f"as the task was cleared: there is response {emulator.responses[0]['id']} of before" in logged()


@pytest.mark.parametrize(("error", "cancelled"), [(BrokenPipeError(), True), (SupervisorError(409), False)])
def test_a_try_that_has_been_superseded_cancels_only_what_was_certainly_not_noted(
    attempt, store, emulator, monkeypatch, error, cancelled
):
    """A note that Airflow refused may have been kept before, and then the next try waits for the response."""
    parent = os.getppid()
    monkeypatch.setattr(os, "getppid", lambda: 1 if store.calls.count("set") > 1 else parent)
    emulator.answer("Never", hold=True)
    store.faults = {("set", 2): error}
    with pytest.raises(errors.TaskSupersededError):
        attempt(background=True)
    (response,) = emulator.responses
    assert (response["status"] == "cancelled") is cancelled


def test_a_task_that_is_told_to_stop_cancels_its_response(conversation, context, store, emulator, logged):
    emulator.answer("Never", hold=True)
    task = operator(conversation, background=True, poll_interval=5)
    context |= {"task_state_store": store}
    context["ti"].max_tries = 3
    previous = signal.signal(signal.SIGALRM, lambda *_: task.on_kill())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    began = time.monotonic()
    try:
        with pytest.raises(errors.InterruptedCallError):
            task.execute(context)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < 5
    (response,) = emulator.responses
    assert response["status"] == "cancelled"
    assert f"Told to stop: response {response['id']} is cancelled now" in logged()
