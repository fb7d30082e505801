"""A task that is told to stop: it never ends as a success, and what it knows is kept for the next try."""

from __future__ import annotations

import os
import signal
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
    YandexGetConversationOperator,
)
from airflow_provider_yandex_conv.operators.items import (
    YandexAddConversationItemsOperator,
    YandexDeleteConversationItemOperator,
)
from state_store import FakeStore, SupervisorError

CREATE = "createConversation"


@pytest.fixture
def context(context, tmp_path):
    context["ti"].max_tries = 2
    return context | {"task_state_store": FakeStore(tmp_path / "store.json")}


@pytest.fixture
def told_to_stop():
    """Return a function that runs an operator which is told to stop 0.3 s later, as Airflow does it: by a signal."""

    def run(operator, context):
        began = time.monotonic()
        previous = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
        alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            operator.execute(context)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
            signal.signal(signal.SIGTERM, previous)
            assert time.monotonic() - began < 5

    return run


def create(**arguments):
    return YandexCreateConversationOperator(task_id="create", **arguments)


def test_an_id_that_comes_after_the_signal_is_kept_for_the_retry(emulator, context, told_to_stop):
    emulator.fail(CREATE, delay=1)
    with pytest.raises(errors.InterruptedCallError, match="told to stop, after it had done its work"):
        told_to_stop(create(), context)
    (created,) = emulator.conversations
    assert create().execute(context) == created["id"]
    assert len(emulator.conversations) == 1


@pytest.mark.parametrize("on_ambiguous", ["recreate", "fail"])
def test_an_answer_that_does_not_come_is_named_by_the_retry(emulator, context, told_to_stop, logged, on_ambiguous):
    emulator.fail(CREATE, delay=20)
    expected = errors.AmbiguousOutcomeError if on_ambiguous == "recreate" else AirflowFailException
    with pytest.raises(expected, match="told to stop"):
        told_to_stop(create(on_ambiguous=on_ambiguous), context)
    (sent,) = emulator.requests
    logged(anew=True)
    if on_ambiguous == "fail":
        with pytest.raises(AirflowFailException, match=sent.headers["x-client-request-id"]):
            create(on_ambiguous=on_ambiguous).execute(context)
        assert len(emulator.requests) == 1
    else:
        assert create().execute(context) == emulator.conversations[-1]["id"]
        assert sent.headers["x-client-request-id"] in logged()


def test_the_wait_of_a_retry_ends_at_once_and_nothing_is_left(emulator, context, told_to_stop):
    emulator.fail(CREATE, status=429, headers={"Retry-After": "15"})
    with pytest.raises(errors.InterruptedCallError):
        told_to_stop(create(), context)
    assert create(on_ambiguous="fail").execute(context) == emulator.conversations[0]["id"]


def test_an_add_goes_on_after_the_signal_with_the_next_try(emulator, context, told_to_stop):
    conversation_id = YandexAIStudioHook().create_conversation().id
    items = [{"role": "user", "content": str(number)} for number in range(45)]
    emulator.fail("createConversationItems", skip=1, delay=20)

    def add():
        return YandexAddConversationItemsOperator(task_id="t", conversation_id=conversation_id, items=items)

    operator = add()
    operator.timeout_read = 20
    with pytest.raises(errors.AmbiguousOutcomeError):
        told_to_stop(operator, context)
    assert len(add().execute(context)) == 45
    stored = emulator.conversations[0]["items"]
    assert [item["content"][0]["text"] for item in stored] == [str(number) for number in range(45)]


@pytest.mark.parametrize("answered", [True, False])
def test_a_read_that_is_told_to_stop_is_no_success(emulator, context, told_to_stop, answered):
    conversation_id = YandexAIStudioHook().create_conversation().id
    emulator.fail("getConversation", delay=1 if answered else 20)
    with pytest.raises(errors.YandexAIStudioError):
        told_to_stop(YandexGetConversationOperator(task_id="t", conversation_id=conversation_id), context)


def test_a_delete_that_was_done_before_the_signal_is_no_failure_of_the_retry(emulator, context, told_to_stop):
    hook = YandexAIStudioHook()
    conversation_id = hook.create_conversation().id
    (item,) = hook.add_items(conversation_id, [{"role": "user", "content": "a"}])
    for operation, build in (
        (
            "deleteConversationItem",
            lambda: YandexDeleteConversationItemOperator(task_id="t", conversation_id=conversation_id, item_id=item.id),
        ),
        ("deleteConversation", lambda: YandexDeleteConversationOperator(task_id="t", conversation_id=conversation_id)),
    ):
        context["ti"].try_number = 1
        emulator.fail(operation, delay=1)
        with pytest.raises(errors.InterruptedCallError):
            told_to_stop(build(), context)
        with pytest.raises(errors.NotFoundError):
            build().execute(context)
        context["ti"].try_number = 2
        assert build().execute(context) is False


def test_what_was_created_is_taken_back_after_the_signal_where_no_supervisor_is_left(
    emulator, context, told_to_stop, monkeypatch
):
    store, parent = context["task_state_store"], os.getppid()
    monkeypatch.setattr(os, "getppid", lambda: 1 if store.calls.count("set") > 1 else parent)
    store.faults = {("set", 2): BrokenPipeError()}
    emulator.fail(CREATE, delay=1)
    with pytest.raises(errors.TaskSupersededError):
        told_to_stop(create(), context)
    assert emulator.conversations == []
    assert len(emulator.deleted_conversations) == 1


def test_what_was_created_by_a_superseded_try_is_named_after_the_signal(emulator, context, told_to_stop, logged):
    """Airflow finds out that a try was superseded by its heartbeat, and tells the task to stop."""
    context["task_state_store"].faults = {("set", 2): SupervisorError(404)}
    emulator.fail(CREATE, delay=1)
    with pytest.raises(errors.TaskSupersededError):
        told_to_stop(create(), context)
    (left,) = emulator.conversations
    assert f"Conversation {left['id']} (airflow_dag_id=" in logged()
