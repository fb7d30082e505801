"""The operators for many at once: in whole DAG runs, and without anything that is kept over the tries."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import airflow
import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.bulk import (
    YandexAddItemsToConversationsOperator,
    YandexCreateConversationsOperator,
    YandexDeleteConversationsOperator,
)
from state_store import FakeStore

HAS_STORE = tuple(int(part) for part in airflow.__version__.split(".")[:2]) >= (3, 3)
CREATE = "createConversation"
ADD = "createConversationItems"
FAST = RequestRetry(attempts=3, wait_initial=0.01, wait_max=0.1, timeout=3)


def specs(count):
    return [{"metadata": {"n": str(number)}} for number in range(count)]


def create(conversations, **arguments):
    return YandexCreateConversationsOperator(
        task_id="create", conversations=conversations, **{"request_retry": FAST, **arguments}
    )


def add(additions, **arguments):
    return YandexAddItemsToConversationsOperator(
        task_id="add", additions=additions, **{"request_retry": FAST, **arguments}
    )


def delete(conversation_ids, **arguments):
    return YandexDeleteConversationsOperator(
        task_id="delete", conversation_ids=conversation_ids, **{"request_retry": FAST, **arguments}
    )


def numbers(emulator):
    return {one["id"]: int(one["metadata"]["n"]) for one in emulator.conversations}


def test_the_batch_example_creates_adds_and_deletes(run_dag, emulator):
    outcome = run_dag("nightly_batch")
    assert outcome.state == "success"
    ids = outcome.xcom("create")
    assert emulator.conversations == []
    deleted = {one["id"]: one for one in emulator.deleted_conversations}
    assert [deleted[one]["metadata"]["customer"] for one in ids] == [f"customer-{number}" for number in range(50)]
    assert all(len(one["items"]) == 1 for one in deleted.values())
    assert [len(one) for one in outcome.xcom("add")] == [1] * 50
    assert outcome.xcom("delete") == {"deleted": 50, "missing": 0}


def test_a_batch_that_is_refused_in_the_middle_is_cleaned_up(run_dag, emulator):
    emulator.fail(CREATE, status=403, skip=30, times=None)
    outcome = run_dag("creating_many")
    assert outcome.state == "failed"
    assert outcome.tries("create") == 1
    assert outcome.states() == {"create": "failed", "delete": "success"}
    assert emulator.conversations == []
    assert len(emulator.deleted_conversations) == 30
    assert outcome.xcom("delete")["deleted"] == 30


def test_a_batch_that_breaks_off_is_completed_by_a_retry_where_that_knows_of_it(run_dag, emulator):
    """Below Airflow 3.3 there is no retry, as it would create all again."""
    emulator.fail(CREATE, status=429, skip=30, headers={"Retry-After": "3600"})
    outcome = run_dag("creating_many")
    made = [one["metadata"]["n"] for one in emulator.deleted_conversations]
    assert len(set(made)) == len(made)
    assert emulator.conversations == []
    assert outcome.state == ("success" if HAS_STORE else "failed")
    assert outcome.tries("create") == (2 if HAS_STORE else 1)
    assert len(made) == 50 if HAS_STORE else len(made) < 40


def test_each_is_stamped(context, emulator):
    create([{"metadata": {"a": "b"}}, {}]).execute(context)
    stamped = {"airflow_dag_id": "sales", "airflow_run_id": "scheduled__2026-01-01", "airflow_task_id": "create"}
    for one in emulator.conversations:
        assert one["metadata"].items() >= stamped.items()
    emulator.reset()
    create([{"metadata": {"a": "b"}}, {}], stamp_metadata=False).execute(context)
    assert sorted(str(one["metadata"]) for one in emulator.conversations) == ["None", "{'a': 'b'}"]


def test_the_stamp_counts_among_the_pairs(context, emulator):
    many = {str(number): "" for number in range(13)}
    with pytest.raises(AirflowFailException, match=r"\[0\] invalid: metadata has 17 pairs"):
        create([{"metadata": many}]).execute(context)


def test_one_bad_among_many_fails_the_task_after_the_others_exist(context, emulator):
    given = specs(1000)
    given[617] = {"metadata": {"n": 5}}
    with pytest.raises(AirflowFailException) as failed:
        create(given).execute(context)
    assert "999 of 1,000 conversations are created, 1 failed; [617] invalid: the value of metadata key 'n'" in str(
        failed.value
    )
    ids = context["pushed"]["return_value"]
    assert [index for index, one in enumerate(ids) if one is None] == [617]
    assert {one: number for number, one in enumerate(ids) if one} == numbers(emulator)


def test_a_message_lists_the_first_failures_only(context, emulator):
    with pytest.raises(AirflowFailException) as failed:
        create([{"x": 1}] * 100).execute(context)
    assert "and 95 more" in str(failed.value)
    assert len(str(failed.value)) < 2000


def test_without_a_store_a_batch_that_has_begun_is_not_retried(context, emulator):
    emulator.fail(CREATE, status=503, skip=10, times=None)
    with pytest.raises(AirflowFailException, match="10 conversations are created already"):
        create(specs(50)).execute(context)
    assert sum(one is not None for one in context["pushed"]["return_value"]) == len(emulator.conversations) == 10


def test_without_a_store_a_batch_that_has_not_begun_is_retried(context, emulator):
    emulator.fail(CREATE, status=429, times=None)
    with pytest.raises(errors.BatchIncompleteError, match="no request has succeeded in 3 s"):
        create(specs(50)).execute(context)
    assert emulator.conversations == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_all_fails_for_good(context, emulator, status):
    emulator.fail(CREATE, status=status, times=None)
    with pytest.raises(AirflowFailException, match=f"the rest was not tried: create conversation: HTTP {status}"):
        create(specs(50), concurrency=3).execute(context)
    assert len(emulator.requests) <= 3


def test_a_long_list_goes_to_the_object_storage(context, emulator, tmp_path):
    url = f"file://{tmp_path}"
    manifest = create(specs(30), object_storage_path=url, max_xcom_length=29).execute(context)
    assert manifest == {
        "path": f"{url}/sales/scheduled__2026-01-01/create.jsonl",
        "count": 30,
        "done": 30,
    }
    lines = (tmp_path / "sales" / "scheduled__2026-01-01" / "create.jsonl").read_text().splitlines()
    assert {json.loads(line): number for number, line in enumerate(lines)} == numbers(emulator)
    assert delete(manifest).execute(context) == {"deleted": 30, "missing": 0}
    assert emulator.conversations == []


def test_a_short_list_stays_in_xcom(context, emulator, tmp_path):
    ids = create(specs(30), object_storage_path=f"file://{tmp_path}", max_xcom_length=30).execute(context)
    assert len(ids) == 30
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_fails_loses_nothing(context, emulator, tmp_path, logged):
    (tmp_path / "file").write_text("")
    url = f"file://{tmp_path}/file"
    ids = create(specs(3), object_storage_path=url, max_xcom_length=1).execute(context)
    assert set(ids) == set(numbers(emulator))
    assert "could not be written" in logged()


def test_a_rendered_list_that_became_a_text_is_not_shown(context, emulator):
    with pytest.raises(errors.BatchIncompleteError, match="cannot be read") as failed:
        create("[{'metadata': {'secret': 'x'}}]").execute(context)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"concurrency": 0},
        {"concurrency": "10"},
        {"rate": 0},
        {"chunk_size": 0},
        {"max_xcom_length": True},
        {"on_ambiguous": "reconcile"},
    ],
)
def test_literals_are_checked_when_the_dag_is_parsed(arguments):
    with pytest.raises(errors.ConfigurationError):
        create([], **arguments)


def test_items_are_added_to_each(context, emulator):
    ids = create(specs(20)).execute(context)
    additions = [{"conversation_id": one, "items": [{"role": "user", "content": one}] * 25} for one in ids]
    assert [len(one) for one in add(additions).execute(context)] == [25] * 20
    for one in emulator.conversations:
        assert [item["content"][0]["text"] for item in one["items"]] == [one["id"]] * 25


def test_without_a_store_adds_that_have_begun_are_not_retried(context, emulator):
    ids = YandexAIStudioHook().create_conversations([{}] * 2).ids
    emulator.fail(ADD, status=429, skip=1, times=None)
    additions = [{"conversation_id": one, "items": [{"role": "user", "content": one}] * 25} for one in ids]
    with pytest.raises(AirflowFailException, match="is not retried"):
        add(additions, concurrency=1).execute(context)
    assert sum(len(one["items"]) for one in emulator.conversations) == 20


def test_a_retry_of_a_delete_finds_some_gone(context, emulator):
    ids = YandexAIStudioHook().create_conversations([{}] * 20).ids
    YandexAIStudioHook().delete_conversations(ids[:5])
    context["ti"].try_number = 2
    assert delete(ids).execute(context) == {"deleted": 15, "missing": 5}
    assert emulator.conversations == []


def test_a_delete_of_what_is_not_there_fails_for_each_and_deletes_the_others(context, emulator):
    ids = YandexAIStudioHook().create_conversations([{}] * 5).ids
    with pytest.raises(errors.BatchIncompleteError, match=r"\[2\] missing"):
        delete([*ids[:2], "gone", *ids[2:]]).execute(context)
    assert emulator.conversations == []


@pytest.mark.parametrize(("given", "text"), [(None, "none is deleted"), ([], "")])
def test_a_delete_of_nothing(context, emulator, logged, given, text):
    assert delete(given).execute(context) == {"deleted": 0, "missing": 0}
    assert text in logged()
    assert emulator.requests == []


@pytest.fixture
def when_held(emulator):
    """Return a function that lets something be done in this thread, by a signal, once so many requests are held."""
    previous = signal.getsignal(signal.SIGALRM)
    threads = []

    def arrange(count, act):
        def watch():
            deadline = time.monotonic() + 20
            while len(emulator.held) < count and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGALRM)

        signal.signal(signal.SIGALRM, lambda *_: act())
        threads.append(threading.Thread(target=watch))
        threads[0].start()

    yield arrange
    threads[0].join()
    signal.signal(signal.SIGALRM, previous)


def test_a_task_that_is_told_to_stop_ends_within_seconds_and_names_what_was_under_way(
    context, emulator, logged, when_held
):
    emulator.fail(CREATE, hold="before", drop="close", skip=10, times=None)
    operator = create(specs(50), concurrency=4, timeout_read=60)
    told = []

    def tell():
        told.append(time.monotonic())
        operator.on_kill()

    when_held(4, tell)
    with pytest.raises(AirflowFailException, match="10 conversations are created already"):
        operator.execute(context)
    assert time.monotonic() - told[0] < 5
    text = logged()
    assert len(emulator.held) == 4
    assert all(one.headers["x-client-request-id"] in text for one in emulator.held)
    emulator.release()


class Cut(BaseException):
    """What Airflow raises in the main thread when a task's time is up."""


def test_a_task_whose_time_is_up_pushes_what_exists(context, emulator, when_held):
    def cut():
        raise Cut

    emulator.fail(CREATE, hold="before", drop="close", skip=10, times=None)
    when_held(4, cut)
    with pytest.raises(AirflowFailException, match=r"Cut came: 10 of .* conversations are created"):
        create(specs(50), concurrency=4, timeout_read=60).execute(context)
    assert sum(one is not None for one in context["pushed"]["return_value"]) == 10
    emulator.release()


@pytest.fixture
def slow_storage(tmp_path):
    """Return the URL of a folder in which writing takes until somebody reads the file, and that file."""
    file = tmp_path / "sales" / "scheduled__2026-01-01" / "create.jsonl"
    file.parent.mkdir(parents=True)
    os.mkfifo(file)
    return f"file://{tmp_path}", file


def test_a_task_whose_time_is_up_while_it_writes_the_list_pushes_it(context, emulator, cut_off, slow_storage):
    url, _ = slow_storage
    with pytest.raises(AirflowFailException, match="Cut came: 5 of 5 conversations are created"):
        create(specs(5), object_storage_path=url, max_xcom_length=1).execute(context)
    assert set(context["pushed"]["return_value"]) == set(numbers(emulator))


@pytest.mark.parametrize(("has_store", "error"), [(False, AirflowFailException), (True, errors.InterruptedCallError)])
def test_a_task_that_is_told_to_stop_in_the_end_pushes_what_exists(
    context, emulator, slow_storage, tmp_path, has_store, error
):
    url, file = slow_storage
    if has_store:
        context["task_state_store"] = FakeStore(tmp_path / "store.json")
    operator = create(specs(5), object_storage_path=url, max_xcom_length=1)
    readers = []

    def stop(*_):
        operator.on_kill()
        readers.append(os.open(file, os.O_RDONLY | os.O_NONBLOCK))

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(error):
            operator.execute(context)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert context["pushed"]["return_value"]["done"] == len(emulator.conversations) == 5
    os.close(*readers)


@pytest.mark.parametrize("on_ambiguous", ["recreate", "fail"])
def test_what_must_not_be_created_twice_is_not_where_a_retry_would_not_know(context, emulator, on_ambiguous):
    emulator.fail(CREATE, status=503, applied=True)
    emulator.fail(CREATE, status=429, times=None, headers={"Retry-After": "3600"})
    error = AirflowFailException if on_ambiguous == "fail" else errors.BatchIncompleteError
    with pytest.raises(error):
        create(specs(2), concurrency=1, on_ambiguous=on_ambiguous).execute(context)
    assert len(emulator.conversations) == 1


def test_each_task_instance_has_a_file_of_its_own(context, emulator, tmp_path):
    paths = set()
    for task_id, map_index in [("create", -1), ("create", 0), ("create", 1), ("create_1", -1)]:
        context["ti"].task_id, context["ti"].map_index = task_id, map_index
        paths.add(
            create(specs(2), object_storage_path=f"file://{tmp_path}", max_xcom_length=1).execute(context)["path"]
        )
    assert len(paths) == 4
