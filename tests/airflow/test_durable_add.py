"""Adding items over several tries of a task: each item is stored once, in order, wherever the try before ended."""

from __future__ import annotations

import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.items import YandexAddConversationItemsOperator
from state_store import SupervisorError

KEY = "yandex_ai_studio_items"
ADD = "createConversationItems"
LIST = "listConversationItems"
ONCE = RequestRetry(attempts=1)
LONG = [str(number) for number in range(50)]


def said(*texts):
    return [{"role": "user", "content": text} for text in texts]


@pytest.fixture
def conversation_id(emulator):
    hook = YandexAIStudioHook()
    created = hook.create_conversation().id
    hook.add_items(created, said("before"))
    return created


@pytest.fixture
def attempt(context, store, conversation_id):
    """Return a function that runs one try of the task, with an operator of its own."""
    context["ti"].max_tries = 2

    def run(*texts, **arguments):
        context["task_state_store"] = store
        arguments = {
            "request_retry": ONCE,
            "timeout_connect": 0.3,
            "timeout_read": 1.0,
            "items": said(*texts),
            **arguments,
        }
        return YandexAddConversationItemsOperator(task_id="add", conversation_id=conversation_id, **arguments).execute(
            context
        )

    return run


def stored(emulator):
    (conversation,) = emulator.conversations
    return [(item["id"], item["content"][0]["text"]) for item in conversation["items"]][1:]


def texts(emulator):
    return [text for _, text in stored(emulator)]


def test_a_retry_of_a_task_that_had_added_everything_adds_nothing(attempt, emulator):
    first = attempt(*LONG)
    assert attempt(*LONG) == first == [one for one, _ in stored(emulator)]
    assert texts(emulator) == LONG


@pytest.mark.parametrize("on_ambiguous", ["reconcile", "fail"])
def test_items_of_a_conversation_that_is_gone_are_not_returned(attempt, conversation_id, on_ambiguous):
    attempt("a", on_ambiguous=on_ambiguous)
    YandexAIStudioHook().delete_conversation(conversation_id)
    with pytest.raises(errors.NotFoundError):
        attempt("a", on_ambiguous=on_ambiguous)


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize(
    "fault", [{"status": 429, "headers": {"Retry-After": "3600"}}, {"drop": "reset", "applied": True}, {"status": 503}]
)
def test_a_retry_goes_on_where_the_try_before_failed(attempt, emulator, fault, skip):
    emulator.fail(ADD, skip=skip, **fault)
    if fault.get("status") != 429:
        emulator.fail(LIST, skip=1, status=503)  # the look for what was stored fails as well
    with pytest.raises(errors.YandexAIStudioError):
        attempt(*LONG)
    ids = attempt(*LONG)
    assert texts(emulator) == LONG
    assert ids == [one for one, _ in stored(emulator)]


def test_a_retry_takes_what_is_stored_in_part(attempt, emulator):
    emulator.fail(ADD, skip=1, drop="reset", applied=True, keep=7)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt(*LONG)
    attempt(*LONG)
    assert texts(emulator) == LONG


def test_a_retry_waits_for_a_server_that_may_still_be_at_work(attempt, emulator):
    """The request of the try before is stored only after the retry has begun to look."""
    emulator.fail(ADD, work=0.9)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("a", "b", timeout_read=0.3)
    ids = attempt("a", "b", timeout_read=2)
    time.sleep(0.5)
    assert texts(emulator) == ["a", "b"]
    assert ids == [one for one, _ in stored(emulator)]


def test_a_retry_waits_as_well_for_a_request_that_was_long_in_connecting(attempt, emulator):
    """It was noted when it began to connect, and may have been sent only at the end of the time for that."""
    emulator.fail(ADD, work=1.6)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("a", timeout_read=0.3)
    attempt("a", timeout_connect=3, timeout_read=0.3)
    time.sleep(1.5)
    assert texts(emulator) == ["a"]


@pytest.mark.parametrize("ahead", [90, -90])
def test_a_retry_does_not_wait_by_the_clock_of_another_worker(attempt, store, emulator, ahead):
    emulator.fail(ADD, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("a")
    record = store.kept()[KEY]
    store.set(KEY, {**record, "sent_at": record["sent_at"] + ahead}, retention=None)
    began = time.monotonic()
    attempt("a", timeout_connect=0.3, timeout_read=0.3)
    assert time.monotonic() - began < 45
    assert texts(emulator) == ["a"]


def test_equal_items_from_before_are_not_taken_for_those_of_the_task(attempt, emulator):
    emulator.fail(ADD, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("before", "before")
    attempt("before", "before")
    assert texts(emulator) == ["before", "before"]


def test_items_of_others_behind_a_lost_answer_fail_the_task_for_good(attempt, emulator, conversation_id):
    emulator.fail(ADD, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("a")
    YandexAIStudioHook().add_items(conversation_id, said("of somebody else"))
    with pytest.raises(AirflowFailException, match="1 items appeared in the conversation"):
        attempt("a")
    assert texts(emulator) == ["of somebody else"]


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("text", ["an equal one", "of somebody else"])
def test_what_others_added_between_the_tries_is_not_taken_for_an_item_of_the_task(
    attempt, store, emulator, conversation_id, skip, text
):
    """The try before had ended well; the one after next does not know more than what was noted."""
    ours = [*LONG[: 20 * skip], "an equal one", "another"]
    emulator.fail(ADD, skip=skip, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError):
        attempt(*ours)
    YandexAIStudioHook().add_items(conversation_id, said(text))
    emulator.fail(ADD, drop="reset", applied=True, keep=1)
    emulator.fail(LIST, skip=1, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt(*ours)
    ids = attempt(*ours)
    assert texts(emulator) == [*LONG[: 20 * skip], text, "an equal one", "another"]
    assert ids == [one for place, (one, _) in enumerate(stored(emulator)) if place != 20 * skip]


def test_a_try_that_had_not_read_the_conversation_cannot_be_reconciled(attempt, emulator):
    """It was to fail where an answer is lost, and the tries around it were not."""
    emulator.fail(ADD, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError):
        attempt("before")
    emulator.fail(ADD, drop="reset")
    with pytest.raises(AirflowFailException):
        attempt("before", on_ambiguous="fail")
    with pytest.raises(AirflowFailException, match="had not read what was in the conversation"):
        attempt("before")
    assert texts(emulator) == []


def test_a_conversation_that_cannot_be_read_now_may_be_read_by_the_next_try(attempt, emulator):
    emulator.fail(ADD, drop="reset", applied=True)
    emulator.fail(LIST, skip=1, times=2, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("a")
    with pytest.raises(errors.AmbiguousOutcomeError, match="could not be read to see what was stored"):
        attempt("a")
    attempt("a")
    assert texts(emulator) == ["a"]


@pytest.mark.parametrize("applied", [True, False])
def test_a_retry_does_not_add_again_where_the_author_ruled_it_out(attempt, store, emulator, applied):
    emulator.fail(ADD, skip=1, drop="reset", applied=applied)
    with pytest.raises(AirflowFailException, match="the outcome is unknown"):
        attempt(*LONG, on_ambiguous="fail")
    (lost,) = store.kept()[KEY]["client_request_ids"]
    sent = len(emulator.requests)
    with pytest.raises(AirflowFailException, match=f"{lost}.*20 items were stored before.*as on_ambiguous is 'fail'"):
        attempt(*LONG, on_ambiguous="fail")
    assert len(emulator.requests) == sent


def test_a_task_that_failed_in_between_goes_on_without_reading_where_nothing_is_unknown(attempt, emulator):
    emulator.reset_requests()
    emulator.fail(ADD, skip=1, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError):
        attempt(*LONG, on_ambiguous="fail")
    attempt(*LONG, on_ambiguous="fail")
    assert texts(emulator) == LONG
    assert not [one for one in emulator.requests if one.operation == "listConversationItems"]


def test_a_user_who_clears_the_task_adds_everything_anew(attempt, emulator, context, logged):
    first = attempt("a", "b")
    context["ti"].max_tries = 3
    assert attempt("a", "b") != first
    assert texts(emulator) == ["a", "b", "a", "b"]
    assert f"as the task was cleared: 2 items of before stay, the last of them {first[-1]}" in logged()


def test_other_items_are_not_taken_for_those_of_before(attempt, emulator, logged):
    attempt("a")
    emulator.fail(ADD, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt("b")
    attempt("c")
    assert texts(emulator) == ["a", "c"]
    text = logged()
    assert "as the task's input was another then: 1 items of before stay" in text
    assert "a request of before, of which no answer was noted, may have stored some" in text


def test_a_lost_request_for_other_items_is_as_final_as_one_for_these(attempt, store, emulator, context, logged):
    emulator.fail(ADD, skip=1, drop="reset", applied=True)
    with pytest.raises(AirflowFailException):
        attempt(*LONG, on_ambiguous="fail")
    (lost,) = store.kept()[KEY]["client_request_ids"]
    before = texts(emulator)
    with pytest.raises(AirflowFailException, match=f"{lost}.*20 items were stored before.*as on_ambiguous is 'fail'"):
        attempt("other", on_ambiguous="fail")
    assert texts(emulator) == before
    context["ti"].max_tries = 3  # but a user may clear the task
    attempt("other", on_ambiguous="fail")
    assert texts(emulator) == [*before, "other"]
    assert f"may have stored some (x-client-request-id {lost})" in logged()


def test_a_time_limit_leaves_the_rest_to_the_retries_of_the_task(attempt, emulator, cut_off):
    emulator.fail(ADD, delay=3)
    with pytest.raises(cut_off):
        attempt("a", "b", timeout_read=30)
    attempt("a", "b")
    assert texts(emulator) == ["a", "b"]


def test_a_try_that_was_superseded_leaves_its_items_to_the_one_that_took_over(attempt, store, emulator, logged):
    store.faults = {("set", 2): SupervisorError(404)}
    with pytest.raises(errors.TaskSupersededError):
        attempt("a")
    assert "by a try that has been superseded" in logged()
    attempt("a")
    assert texts(emulator) == ["a"]


def test_nothing_is_added_that_could_not_be_noted(attempt, store, emulator):
    store.faults = {("set", 1): RuntimeError("no database")}
    with pytest.raises(errors.TaskStateStoreError):
        attempt("a")
    assert texts(emulator) == []


def test_items_that_could_not_be_noted_make_a_warning(attempt, store, emulator, logged):
    store.faults = {("set", 2): RuntimeError("no database")}
    attempt("a")
    assert "1 items in conversation conv_" in logged()
    attempt("a")  # and the retry finds them
    assert texts(emulator) == ["a"]


def test_an_empty_list_is_added_without_a_request(attempt, store, emulator):
    emulator.reset_requests()
    assert attempt() == []
    assert (emulator.requests, store.kept()) == ([], {})


def test_bad_items_are_refused_before_the_store_is_asked(attempt, store):
    with pytest.raises(AirflowFailException, match=r"items\[1\] must be an object, got str"):
        attempt(items=[{"role": "user", "content": "a"}, "b"])
    assert store.calls == []
