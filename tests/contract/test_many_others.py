"""Items added to many conversations at once, and many conversations deleted."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InterruptedCallError, UnsupportedEndpointError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

ADD = "createConversationItems"
LIST = "listConversationItems"
DELETE = "deleteConversation"
FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook(request_retry=FAST, timeout_read=0.5)


@pytest.fixture
def ids(emulator):
    return YandexAIStudioHook().create_conversations([{}] * 30).ids


def items(name, count=2):
    return [{"role": "user", "content": f"{name}-{number}"} for number in range(count)]


def additions(ids, count=2):
    return [{"conversation_id": one, "items": items(one, count)} for one in ids]


def texts(emulator):
    """Return the texts in each conversation, by its id."""
    return {one["id"]: [item["content"][0]["text"] for item in one["items"]] for one in emulator.conversations}


def assert_each_is_stored_once(emulator, ids, count=2):
    assert texts(emulator) == {one: [f"{one}-{number}" for number in range(count)] for one in ids}


def operations(emulator, name):
    return [one for one in emulator.requests if one.operation == name]


@pytest.mark.parametrize("on_ambiguous", ["reconcile", "fail"])
def test_each_conversation_gets_its_items_in_order(hook, emulator, ids, on_ambiguous):
    result = hook.add_items_to_conversations(additions(ids, 45), on_ambiguous=on_ambiguous)
    assert_each_is_stored_once(emulator, ids, 45)
    assert result.is_complete
    stored = {one["id"]: [item["id"] for item in one["items"]] for one in emulator.conversations}
    assert list(result.item_ids) == [stored[one] for one in ids]


def test_a_lost_answer_is_reconciled(hook, emulator, ids):
    emulator.fail(ADD, drop="reset", applied=True, times=3)
    emulator.fail(ADD, drop="reset", times=3)
    emulator.fail(ADD, status=503, applied=True, keep=1, times=3)
    result = hook.add_items_to_conversations(additions(ids))
    assert_each_is_stored_once(emulator, ids)
    assert (result.failures, result.orphans) == ([], [])


def test_a_lost_answer_is_a_failure_where_nothing_may_be_added_twice(hook, emulator, ids):
    emulator.fail(ADD, drop="reset", applied=True, skip=4)
    result = hook.add_items_to_conversations(additions(ids), on_ambiguous="fail")
    (failure,) = result.failures
    assert (failure.kind, failure.final, failure.in_part) == ("ambiguous", True, True)
    assert_each_is_stored_once(emulator, ids)


def test_quotas_are_kept_by_adds_as_well(hook, emulator, ids):
    emulator.limit(in_flight=3)
    emulator.fail(ADD, work=0.01, times=None)
    hook.add_items_to_conversations(additions(ids), concurrency=20)
    assert_each_is_stored_once(emulator, ids)
    assert len([one for one in emulator.requests if one.status == 429]) < 20


def test_a_conversation_that_is_gone_stops_no_other(hook, emulator, ids):
    hook.delete_conversation(ids[7])
    result = hook.add_items_to_conversations(additions(ids))
    (failure,) = result.failures
    assert (failure.index, failure.kind) == (7, "missing")
    assert_each_is_stored_once(emulator, [one for one in ids if one != ids[7]])


@pytest.mark.parametrize(
    "spec",
    [None, {}, {"conversation_id": "c"}, {"conversation_id": "", "items": [{}]}, {"conversation_id": "c", "x": 1}],
)
def test_what_is_no_addition_is_reported(hook, emulator, spec):
    result = hook.add_items_to_conversations([spec])
    assert [one.kind for one in result.failures] == ["invalid"]
    assert emulator.requests == []


def test_an_add_in_several_requests_that_is_stopped_says_how_far_it_came(hook, emulator, ids, logged):
    emulator.fail(ADD, hold="before", drop="close", skip=4, times=None)

    def stop():
        while len(emulator.held) < 4:
            time.sleep(0.005)
        hook.interrupt()

    hook.timeout_read = 30
    hook._client = None
    thread = threading.Thread(target=stop)
    thread.start()
    began = time.monotonic()
    result = hook.add_items_to_conversations(additions(ids, 30), concurrency=4)
    thread.join()
    assert time.monotonic() - began < 5
    assert isinstance(result.stopped, InterruptedCallError)
    assert {one.kind for one in result.failures} == {"ambiguous"}
    assert len(result.failures) == 4
    assert all(one.in_part for one in result.failures)
    text = logged()
    assert all(one.headers["x-client-request-id"] in text for one in emulator.held)
    emulator.release()


def test_all_are_deleted(hook, emulator, ids):
    result = hook.delete_conversations([*ids, None])
    assert emulator.conversations == []
    assert list(result.deleted) == [True] * 30 + [False]


def test_a_delete_whose_answer_is_lost_is_sent_again(hook, emulator, ids):
    emulator.fail(DELETE, drop="reset", applied=True, times=5)
    result = hook.delete_conversations(ids)
    assert emulator.conversations == []
    assert list(result.deleted) == [True] * 30


@pytest.mark.parametrize("ignore_missing", [True, False])
def test_one_that_is_not_there(hook, emulator, ids, ignore_missing):
    hook.delete_conversation(ids[3])
    result = hook.delete_conversations(ids, ignore_missing=ignore_missing)
    assert emulator.conversations == []
    if ignore_missing:
        assert result.deleted[3] is False
    else:
        assert [(one.index, one.kind) for one in result.failures] == [(3, "missing")]


def test_a_server_that_does_not_offer_deletes_ends_the_batch(hook, emulator, ids):
    emulator.fail(DELETE, status=404, times=None)
    result = hook.delete_conversations(ids, ignore_missing=True, concurrency=2)
    assert isinstance(result.stopped, UnsupportedEndpointError)
    assert len(emulator.conversations) == 30
    assert len(operations(emulator, DELETE)) < 10


@pytest.mark.parametrize("given", [None, 5, ""])
def test_what_is_no_list_of_ids_is_refused(hook, emulator, given):
    with pytest.raises(ConfigurationError, match="conversations must be a list"):
        hook.delete_conversations(given)


class Cut(BaseException):
    """What Airflow raises in the main thread when a task's time is up."""


def test_a_batch_in_threads_that_is_cut_off_ends(emulator, ids):
    emulator.fail(ADD, hold="before", drop="close", times=None)
    hook = YandexAIStudioHook()

    def cut(*_):
        raise Cut

    previous = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, 1, 10)  # once more where it hangs
    began = time.monotonic()
    try:
        with pytest.raises(Cut):
            hook.add_items_to_conversations(additions(ids), concurrency=3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        emulator.release()
    assert time.monotonic() - began < 8
    assert {one.kind for one in hook.unfinished.failures} == {"ambiguous"}
