"""Items added to many conversations over several tries of the task: each is stored once, whatever ended a try."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.bulk import YandexAddItemsToConversationsOperator

ADD = "createConversationItems"
FAST = RequestRetry(attempts=3, wait_initial=0.01, wait_max=0.1, timeout=5)
#: How many moments a kill is tried at.
ROUNDS = int(os.environ.get("ROUNDS", "3"))


@pytest.fixture
def ids(emulator):
    return YandexAIStudioHook().create_conversations([{}] * 20).ids


@pytest.fixture
def attempt(context, store, ids):
    """Return a function that runs one try of the task, with an operator of its own."""
    context["ti"].max_tries = 2

    def run(**arguments):
        context["task_state_store"] = store
        # Short, as a retry waits so long for a request that may still be at work.
        settings = {
            "request_retry": FAST,
            "concurrency": 4,
            "chunk_size": 6,
            "timeout_connect": 0.3,
            "timeout_read": 1.0,
        }
        operator = YandexAddItemsToConversationsOperator(
            task_id="add", additions=additions(ids), **{**settings, **arguments}
        )
        return operator.execute(context)

    return run


def additions(ids):
    items = [{"role": "user", "content": str(number)} for number in range(25)]
    return [{"conversation_id": one, "items": items} for one in ids]


def assert_each_is_stored_once(emulator, ids, added):
    stored = {one["id"]: one["items"] for one in emulator.conversations}
    for conversation_id, item_ids in zip(ids, added, strict=True):
        assert [item["content"][0]["text"] for item in stored[conversation_id]] == [str(number) for number in range(25)]
        assert [item["id"] for item in stored[conversation_id]] == item_ids


def test_a_retry_adds_what_is_missing(attempt, emulator, ids):
    emulator.fail(ADD, status=429, skip=13, times=None, headers={"Retry-After": "100"})
    with pytest.raises(errors.BatchIncompleteError):
        attempt()
    emulator._service.faults.reset()
    before = sum(len(one["items"]) for one in emulator.conversations)
    assert 0 < before < 500
    emulator.reset_requests()
    assert_each_is_stored_once(emulator, ids, attempt())
    sent = [len(one.body["items"]) for one in emulator.requests if one.operation == ADD]
    assert sum(sent) == 20 * 25 - before
    emulator.reset_requests()
    assert_each_is_stored_once(emulator, ids, attempt())
    assert emulator.requests == []


def test_what_an_earlier_try_left_open_is_not_sent_again_where_it_must_not(attempt, emulator, store, ids):
    emulator.fail(ADD, drop="reset", applied=True, skip=4)
    with pytest.raises(AirflowFailException, match="ambiguous"):
        attempt(on_ambiguous="fail")
    emulator.reset_requests()
    with pytest.raises(AirflowFailException, match="an earlier try ended before it could note an answer"):
        attempt(on_ambiguous="fail")
    assert [one for one in emulator.requests if one.operation == ADD] == []
    assert all(len(one["items"]) in {20, 25} for one in emulator.conversations)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_try_that_is_killed_at_any_moment_stores_nothing_twice(attempt, emulator, ids, seed):
    emulator.fail(ADD, work=0.02, times=None)
    moment = random.Random(seed).uniform(0.05, 0.6)
    child = os.fork()
    if child == 0:
        try:
            attempt()
        finally:
            os._exit(1)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert_each_is_stored_once(emulator, ids, attempt())
