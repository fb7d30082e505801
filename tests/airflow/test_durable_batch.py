"""Many conversations over several tries of their task: what a killed try leaves, and what the next one makes of it."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.operators.bulk import YandexCreateConversationsOperator
from state_store import SupervisorError

KEY = "yandex_ai_studio_conversations"
CREATE = "createConversation"
FAST = RequestRetry(attempts=3, wait_initial=0.01, wait_max=0.1, timeout=5)
#: How many moments a kill is tried at.
ROUNDS = int(os.environ.get("ROUNDS", "5"))


@pytest.fixture
def attempt(context, store):
    """Return a function that runs one try of the task, with an operator of its own."""
    context["ti"].max_tries = 2

    def run(conversations, **arguments):
        context["task_state_store"] = store
        arguments = {"request_retry": FAST, "concurrency": 4, "chunk_size": 10, **arguments}
        operator = YandexCreateConversationsOperator(task_id="create", conversations=conversations, **arguments)
        return operator.execute(context)

    return run


def specs(count):
    return [{"metadata": {"n": str(number)}} for number in range(count)]


def sent(emulator):
    return [one for one in emulator.requests if one.operation == CREATE]


def existing(emulator):
    """Return the numbers of the conversations that exist, by their ids."""
    return {one["id"]: int(one["metadata"]["n"]) for one in emulator.conversations}


def kept_ids(store):
    """Return the ids in the store, in the order of the input, and the requests whose outcome it does not tell."""
    records = sorted((int(key.rpartition("_")[2]), record) for key, record in store.kept().items())
    begun = [one for _, record in records for one in record["begun"].values()]
    return [one for _, record in records for one in record["results"]], begun


def test_the_ids_are_kept_by_chunks(attempt, store, emulator):
    ids = attempt(specs(25))
    assert existing(emulator) == {conversation_id: number for number, conversation_id in enumerate(ids)}
    assert sorted(store.kept()) == [f"{KEY}_0", f"{KEY}_1", f"{KEY}_2"]
    assert kept_ids(store) == (ids, [])
    assert [len(record["results"]) for record in store.kept().values()] == [10, 10, 5]


def test_what_is_kept_says_nothing_of_the_content(attempt, store, emulator):
    attempt([{"metadata": {"n": "1", "topic": "a secret plan"}, "items": [{"role": "user", "content": "the plan"}]}])
    assert "plan" not in str(store.kept())


def test_a_retry_creates_only_what_is_missing(attempt, store, emulator, context):
    emulator.fail(CREATE, status=503, skip=12, times=None)
    with pytest.raises(errors.BatchIncompleteError, match=r"12 of .* conversations are created"):
        attempt(specs(25))
    first = context["pushed"]["return_value"]
    assert sum(one is not None for one in first) == 12
    emulator._service.faults.reset()
    emulator.reset_requests()
    ids = attempt(specs(25))
    assert len(sent(emulator)) == 13
    assert existing(emulator) == {conversation_id: number for number, conversation_id in enumerate(ids)}
    assert all(one is None or one == ids[number] for number, one in enumerate(first))


def test_a_retry_after_all_was_done_sends_nothing(attempt, emulator):
    ids = attempt(specs(25))
    emulator.reset_requests()
    assert attempt(specs(25)) == ids
    assert emulator.requests == []


def test_no_more_are_begun_than_may_be_under_way(attempt, store, emulator):
    noted = []
    keep = store.set

    def spy(key, value, *, retention):
        keep(key, value, retention=retention)
        noted.append(len(kept_ids(store)[1]))

    store.set = spy
    emulator.fail(CREATE, work=0.01, times=None)
    attempt(specs(60))
    assert 3 <= max(noted) <= 4


def test_each_request_is_noted_before_it_is_sent(attempt, store, emulator):
    emulator.fail(CREATE, status=503, times=None)
    with pytest.raises(errors.BatchIncompleteError):
        attempt(specs(25), request_retry=RequestRetry(attempts=1, wait_initial=0, timeout=0.01))
    _, begun = kept_ids(store)
    assert {one.headers["x-client-request-id"] for one in sent(emulator)} >= set(begun)
    assert 1 <= len(begun) <= 4


def test_a_store_that_cannot_be_written_stops_before_anything_is_sent(attempt, store, emulator):
    store.faults = {("set", 1): RuntimeError("no")}
    with pytest.raises(errors.BatchIncompleteError, match="could not be written"):
        attempt(specs(25))
    assert sent(emulator) == []


def test_a_store_that_breaks_keeps_what_was_under_way(attempt, store, emulator, logged):
    store.faults = {("set", number): RuntimeError("no") for number in range(5, 100)}
    with pytest.raises(errors.BatchIncompleteError, match="could not be written"):
        attempt(specs(60))
    ids, _ = kept_ids(store)
    unknown = [one for one in existing(emulator) if one not in ids]
    assert len(unknown) <= 4
    text = logged()
    assert all(one in text for one in unknown)


@pytest.mark.parametrize("fault", [("get", 1), ("get", 2)])
def test_a_store_that_cannot_be_read_is_an_error(attempt, store, emulator, fault):
    store.faults = {fault: RuntimeError("no")}
    with pytest.raises(errors.BatchIncompleteError, match="could not be read"):
        attempt(specs(25))
    assert len(sent(emulator)) <= 10


def test_a_store_that_holds_something_else_is_an_error(attempt, store, emulator):
    store.set(f"{KEY}_0", {"x": 1}, retention=None)
    with pytest.raises(errors.BatchIncompleteError, match=f"{KEY}_0"):
        attempt(specs(5))
    assert sent(emulator) == []


def test_a_try_that_was_taken_over_stops_and_names_what_it_made(attempt, store, emulator, logged):
    store.faults = {("set", number): SupervisorError(409) for number in range(4, 100)}
    with pytest.raises(errors.BatchIncompleteError, match="another try of this task has taken over"):
        attempt(specs(60))
    ids, _ = kept_ids(store)
    text = logged()
    assert all(one in text for one in existing(emulator) if one not in ids)
    assert len(sent(emulator)) < 20


def test_a_task_that_was_cleared_begins_anew_and_says_what_stays(attempt, emulator, context, logged):
    first = attempt(specs(5))
    context["ti"].max_tries = 5
    second = attempt(specs(5))
    assert not set(first) & set(second)
    text = logged()
    assert "conversations[0] to [4] are done anew, as the task was cleared" in text
    assert all(one in text for one in first)


def test_other_input_from_some_place_on_uses_what_is_before(attempt, emulator, logged):
    first = attempt(specs(30))
    other = specs(30)
    other[25] = {"metadata": {"n": "other"}}
    emulator.reset_requests()
    second = attempt(other)
    assert second[:20] == first[:20]
    assert len(sent(emulator)) == 10
    assert "conversations[20] to [29] are done anew, as the task's input was another then" in logged()


def test_an_input_that_breaks_off_makes_nothing_twice(attempt, emulator, context):
    def read(until):
        yield from specs(until)
        raise ConnectionError("gone")

    def function(until):
        return lambda context, jinja_env: read(until)

    with pytest.raises(errors.BatchIncompleteError, match=r"conversations\[17\] cannot be read"):
        attempt(function(17))
    with pytest.raises(errors.BatchIncompleteError, match=r"conversations\[3\] cannot be read"):
        attempt(function(3))
    assert set(context["pushed"]["return_value"]) - {None} == set(existing(emulator))
    ids = attempt(specs(25))
    assert existing(emulator) == {conversation_id: number for number, conversation_id in enumerate(ids)}


def test_a_retry_that_ends_early_still_says_what_exists(attempt, emulator, context):
    attempt(specs(25))
    given = [{"metadata": {"n": "other"}}, *specs(25)[1:]]
    emulator.fail(CREATE, status=403, times=None)
    with pytest.raises(AirflowFailException):
        attempt(given, concurrency=1)
    pushed = context["pushed"]["return_value"]
    assert [one is None for one in pushed] == [True] * 10 + [False] * 15
    assert set(pushed) - {None} < set(existing(emulator))


def test_a_record_that_cannot_be_read_is_not_held_for_one_of_a_longer_input(attempt, store, emulator, logged):
    attempt(specs(5))
    logged(anew=True)
    store.faults = {("get", store.calls.count("get") + 1): RuntimeError("no")}
    with pytest.raises(errors.BatchIncompleteError, match="could not be read"):
        attempt(specs(5))
    assert "not in the task's input any more" not in logged()


@pytest.mark.parametrize(("count", "chunk_size"), [(12, 10), (25, 20)])
def test_what_is_not_in_the_input_any_more_is_named(attempt, emulator, logged, count, chunk_size):
    first = attempt(specs(45))
    second = attempt(specs(count), chunk_size=chunk_size)
    text = logged()
    assert "are not in the task's input any more" in text
    assert all(one in text for one in first if one not in second)


@pytest.mark.parametrize("on_ambiguous", ["recreate", "fail"])
def test_what_an_earlier_try_left_open_is_named(attempt, store, emulator, logged, on_ambiguous):
    attempt(specs(12))
    record = store.kept()[f"{KEY}_1"]
    record["results"][1] = None
    record["begun"] = {"1": "lost-1"}
    store.set(f"{KEY}_1", record, retention=None)
    emulator.reset_requests()
    if on_ambiguous == "fail":
        with pytest.raises(AirflowFailException, match=r"\[11\] ambiguous: .*lost-1"):
            attempt(specs(12), on_ambiguous=on_ambiguous)
        assert sent(emulator) == []
        with pytest.raises(AirflowFailException, match="lost-1"):
            attempt(specs(12), on_ambiguous=on_ambiguous)
    else:
        attempt(specs(12), on_ambiguous=on_ambiguous)
        assert [one.body["metadata"]["n"] for one in sent(emulator)] == ["11"]
    assert "conversations[11]: an attempt may have left something behind" in logged()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_try_that_is_killed_at_any_moment_loses_nothing(attempt, store, emulator, logged, seed):
    """20 rounds under ``make test-system``: the seed decides upon the moment."""
    emulator.fail(CREATE, work=0.01, times=None)
    moment = random.Random(seed).uniform(0, 0.7)
    child = os.fork()
    if child == 0:
        try:
            attempt(specs(200))
        finally:
            os._exit(1)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 10
    while any(one.status is None for one in emulator.requests):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    kept, begun = kept_ids(store)
    assert len(begun) <= 4
    unknown = [one for one in existing(emulator) if one not in kept]
    names = {one.headers["x-client-request-id"] for one in sent(emulator)}
    logged(anew=True)
    ids = attempt(specs(200))
    assert [existing(emulator)[one] for one in ids] == list(range(200)), moment
    extras = set(existing(emulator)) - set(ids)
    assert extras == set(unknown)
    assert len(extras) <= 4, moment
    text = logged()
    assert all(one in text for one in begun)
    assert len(names & set(begun)) >= len(extras)
