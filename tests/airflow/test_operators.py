"""Each operator, from its arguments to what the server stores and what goes to XCom."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
    YandexGetConversationOperator,
    YandexUpdateConversationOperator,
)

STAMP = {
    "airflow_dag_id": "sales",
    "airflow_run_id": "scheduled__2026-01-01",
    "airflow_task_id": "create",
    "airflow_map_index": "-1",
}
FAST = RequestRetry(attempts=3, wait_initial=0)


def create(**arguments):
    return YandexCreateConversationOperator(task_id="create", request_retry=FAST, **arguments)


@pytest.fixture
def conversation_id(emulator, context):
    return create(metadata={"a": "b"}).execute(context)


def test_a_create_returns_the_id_and_pushes_the_rest(emulator, context):
    conversation_id = create(metadata={"a": "b"}, items=[{"role": "user", "content": "Hello"}]).execute(context)
    (stored,) = emulator.conversations
    assert type(conversation_id) is str
    assert stored["id"] == conversation_id
    assert stored["metadata"] == {**STAMP, "a": "b"}
    assert stored["items"][0]["content"][0]["text"] == "Hello"
    assert context["pushed"]["conversation"] == {
        "id": conversation_id,
        "object": "conversation",
        "metadata": {**STAMP, "a": "b"},
        "created_at": stored["created_at"],
    }
    assert context["pushed"]["request_id"]
    json.dumps(context["pushed"])


def test_a_stamp_names_the_map_index_and_can_be_left_out(emulator, context):
    context["ti"].map_index = 7
    create().execute(context)
    create(stamp_metadata=False).execute(context)
    create(stamp_metadata=False, metadata={"a": "b"}).execute(context)
    create(metadata={"airflow_task_id": "mine"}).execute(context)
    stamped, bare, plain, own = (one["metadata"] for one in emulator.conversations)
    assert stamped["airflow_map_index"] == "7"
    assert (bare, plain, own["airflow_task_id"]) == (None, {"a": "b"}, "mine")


def test_nothing_is_pushed_where_the_task_pushes_nothing(emulator, context):
    create(do_xcom_push=False).execute(context)
    assert context["pushed"] == {}


def test_a_stamp_counts_towards_the_limit(emulator, context):
    full = {f"k{n}": "v" for n in range(13)}
    with pytest.raises(AirflowFailException, match=r"metadata has 17 pairs.*stamp with stamp_metadata=False"):
        create(metadata=full).execute(context)
    create(metadata=full, stamp_metadata=False).execute(context)
    assert len(emulator.requests) == 1


def test_recreate_ends_with_an_id_and_names_what_was_lost(emulator, context, logged):
    emulator.fail("createConversation", drop="reset", applied=True)
    conversation_id = create().execute(context)
    lost, kept = emulator.conversations
    assert kept["id"] == conversation_id
    assert lost["metadata"] == STAMP
    first, second = (request.headers["x-client-request-id"] for request in emulator.requests)
    text = logged()
    assert "Creating again, as on_ambiguous is 'recreate'" in text
    assert f"x-client-request-id {first}, metadata airflow_dag_id=sales airflow_run_id=scheduled__2026-01-01" in text
    assert first != second


def test_recreate_that_stays_ambiguous_leaves_the_rest_to_the_retries_of_the_task(emulator, context, logged):
    emulator.fail("createConversation", status=503, times=None)
    with pytest.raises(errors.AmbiguousOutcomeError, match="Gave up after 3 of 3 attempts"):
        create().execute(context)
    assert len(emulator.requests) == 3
    text = logged()
    for request in emulator.requests:
        assert (
            f"behind that nobody can find again (x-client-request-id {request.headers['x-client-request-id']}" in text
        )
    assert text.count("Giving up: an attempt may have left a conversation") >= 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "reset"}, {"truncate": 9}])
def test_fail_fails_for_good_after_one_request(emulator, context, fault):
    """A retry of the task would create a second one, which is what the author ruled out."""
    emulator.fail("createConversation", **fault)
    with pytest.raises(AirflowFailException) as raised:
        create(on_ambiguous="fail").execute(context)
    assert isinstance(raised.value.__cause__, errors.AmbiguousOutcomeError)
    assert emulator.requests[0].headers["x-client-request-id"] in str(raised.value)
    assert "The task is not retried, as on_ambiguous is 'fail'." in str(raised.value)
    assert len(emulator.requests) == 1


def test_an_unknown_choice_is_refused_when_the_dag_is_parsed():
    with pytest.raises(errors.ConfigurationError, match="on_ambiguous must be 'recreate' or 'fail', got 'retry'"):
        create(on_ambiguous="retry")


def test_a_get_returns_the_four_fields(context, conversation_id, emulator):
    got = YandexGetConversationOperator(task_id="get", conversation_id=conversation_id).execute(context)
    assert got == context["pushed"]["conversation"]


def test_an_update_keeps_the_stamp_or_replaces_everything(emulator, context, conversation_id):
    def update(**arguments):
        operator = YandexUpdateConversationOperator(task_id="update", conversation_id=conversation_id, **arguments)
        return operator.execute(context)

    assert update(metadata={"a": "c", "d": "e"})["metadata"] == {**STAMP, "a": "c", "d": "e"}
    assert emulator.conversations[0]["metadata"] == {**STAMP, "a": "c", "d": "e"}
    update(metadata={"f": "g"}, keep_other_metadata=False)
    assert emulator.conversations[0]["metadata"] == {"f": "g"}


def test_an_update_is_repeated_after_a_lost_answer(emulator, context, conversation_id):
    emulator.fail("updateConversation", drop="reset", applied=True)
    YandexUpdateConversationOperator(
        task_id="update", conversation_id=conversation_id, metadata={"c": "d"}, request_retry=FAST
    ).execute(context)
    assert emulator.conversations[0]["metadata"]["c"] == "d"


def test_a_delete_says_whether_it_deleted(emulator, context, conversation_id):
    def delete(**arguments):
        return YandexDeleteConversationOperator(
            task_id="delete", conversation_id=conversation_id, request_retry=FAST, **arguments
        ).execute(context)

    emulator.fail("deleteConversation", drop="reset", applied=True)
    assert delete() is True
    assert emulator.conversations == []
    assert delete(ignore_missing=True) is False
    with pytest.raises(errors.NotFoundError):
        delete()


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (400, True),
        (401, True),
        (403, True),
        (422, True),
        (501, True),
        (307, True),
        (413, True),
        (429, False),
        (503, False),
    ],
)
@pytest.mark.parametrize(
    "operation", ["createConversation", "getConversation", "updateConversation", "deleteConversation"]
)
def test_an_error_that_no_retry_can_mend_fails_the_task_for_good(emulator, context, operation, status, final):
    operator = {
        "createConversation": create(),
        "getConversation": YandexGetConversationOperator(task_id="t", conversation_id="c", request_retry=FAST),
        "updateConversation": YandexUpdateConversationOperator(
            task_id="t", conversation_id="c", metadata={}, keep_other_metadata=False, request_retry=FAST
        ),
        "deleteConversation": YandexDeleteConversationOperator(task_id="t", conversation_id="c", request_retry=FAST),
    }[operation]
    emulator.fail(operation, status=status, message="because", times=None)
    with pytest.raises(AirflowFailException if final else errors.YandexAIStudioError) as raised:
        operator.execute(context)
    assert isinstance(raised.value, AirflowFailException) is final
    assert "because" in str(raised.value) or status == 307  # of which the place it points to is told


def test_a_conversation_that_is_not_found_may_be_there_on_a_later_try(emulator, context):
    with pytest.raises(errors.NotFoundError):
        YandexGetConversationOperator(task_id="t", conversation_id="c").execute(context)
    emulator.fail("createConversation", status=404)
    with pytest.raises(AirflowFailException):  # of what is to be created, nothing can be missing
        create().execute(context)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata has 17 pairs, at most 16 are allowed"),
        ({"metadata": {"k" * 65: "v"}}, "has 65 characters, at most 64 are allowed"),
        ({"metadata": {"key": "v" * 513}}, "the value of metadata key 'key' has 513 characters, at most 512"),
        ({"metadata": {"key": 1}}, "the value of metadata key 'key' must be a string, got int"),
        ({"metadata": "{'a': 'b'}"}, "metadata must be a mapping of strings to strings, got str"),
        ({"items": [{}] * 21}, "items has 21 entries, at most 20 are allowed in one call"),
        ({"items": "[{}]"}, "items must be a list of objects, got str"),
    ],
)
def test_bad_input_of_a_create_is_refused_before_any_request(emulator, context, arguments, text):
    with pytest.raises(AirflowFailException) as raised:
        create(**arguments).execute(context)
    assert text in str(raised.value)
    assert emulator.requests == []


@pytest.mark.parametrize("conversation_id", ["", None])
@pytest.mark.parametrize(
    "build",
    [
        YandexGetConversationOperator,
        lambda **arguments: YandexUpdateConversationOperator(metadata={}, **arguments),
        YandexDeleteConversationOperator,
    ],
)
def test_an_empty_id_is_refused_before_any_request(emulator, context, build, conversation_id):
    with pytest.raises(AirflowFailException, match="conversation_id"):
        build(task_id="t", conversation_id=conversation_id).execute(context)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"auth_type": "oauth2"}, "extra 'auth_type' must be one of"),
        ({"timeout_read": "soon"}, "extra 'timeout_read' must be a number greater than 0, got a text of 4 characters"),
    ],
)
def test_a_connection_that_cannot_be_used_fails_the_task_for_good(emulator, context, monkeypatch, extra, text):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(**extra))
    with pytest.raises(AirflowFailException) as raised:
        create().execute(context)
    assert text in str(raised.value)
    assert emulator.requests == []


def test_a_task_that_is_told_to_stop_stops_waiting(emulator, context):
    import threading

    emulator.fail("createConversation", status=429, headers={"Retry-After": "3600"})
    operator = YandexCreateConversationOperator(
        task_id="create", request_retry=RequestRetry(wait_max=3600, timeout=7200)
    )
    threading.Timer(0.3, operator.on_kill).start()
    began = time.monotonic()
    with pytest.raises(errors.InterruptedCallError):
        operator.execute(context)
    assert time.monotonic() - began < 5
    assert emulator.conversations == []


def test_a_task_that_has_not_begun_can_be_told_to_stop():
    create().on_kill()


def test_a_retry_that_is_none_is_refused_when_the_dag_is_parsed():
    with pytest.raises(errors.ConfigurationError, match="request_retry must be a RequestRetry, got dict"):
        YandexGetConversationOperator(task_id="t", conversation_id="c", request_retry={"attempts": 1})


def test_the_connection_is_that_of_the_hook_by_default():
    assert create().yandex_ai_studio_conn_id == YandexAIStudioHook.default_conn_name


def test_constructors_read_no_connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", "not a connection at all://%%%")
    create(metadata={"a": "{{ b }}"}, items=[{"role": "user", "content": "{{ c }}"}])
    YandexDeleteConversationOperator(task_id="t", conversation_id="{{ d }}")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (YandexCreateConversationOperator, {"metadata", "items"}),
        (YandexGetConversationOperator, {"conversation_id"}),
        (YandexUpdateConversationOperator, {"conversation_id", "metadata"}),
        (YandexDeleteConversationOperator, {"conversation_id"}),
    ],
)
def test_whatever_may_come_from_xcom_is_templated(kind, fields):
    assert set(kind.template_fields) == {"yandex_ai_studio_conn_id", *fields}
    assert set(kind.template_fields_renderers) <= set(kind.template_fields)


@pytest.mark.parametrize("on_ambiguous", ["fail", "recreate"])
def test_a_request_that_is_cut_off_is_not_passed_over_in_silence(emulator, context, logged, cut_off, on_ambiguous):
    emulator.fail("createConversation", delay=3)
    with pytest.raises(AirflowFailException if on_ambiguous == "fail" else cut_off):
        create(on_ambiguous=on_ambiguous).execute(context)
    (sent,) = emulator.requests
    assert len(emulator.conversations) == 1
    text = logged()
    assert "create conversation: the request was cut off by Cut (connection yandex_ai_studio_default, " in text
    assert f"x-client-request-id {sent.headers['x-client-request-id']}). It may have been applied" in text


def test_a_task_that_was_told_to_stop_before_its_first_request_sends_none(emulator, context):
    operator = create()
    operator.on_kill()
    with pytest.raises(errors.InterruptedCallError):
        operator.execute(context)
    assert emulator.requests == []


def test_a_conversation_that_exists_is_returned_though_xcom_fails(emulator, context, logged):
    def fail(**_):
        raise RuntimeError("no database")

    context["ti"].xcom_push = fail
    conversation_id = create().execute(context)
    assert [one["id"] for one in emulator.conversations] == [conversation_id]
    assert f"Conversation {conversation_id} exists, but not all of it could be pushed to XCom" in logged()


def test_a_time_limit_behind_a_create_takes_back_what_a_retry_creates_again(emulator, context, logged, cut_off):
    context["ti"].xcom_push = lambda **_: time.sleep(3)
    with pytest.raises(cut_off):
        create().execute(context)
    assert [request.operation for request in emulator.requests] == ["createConversation", "deleteConversation"]
    assert emulator.conversations == []
    assert "was created before Cut came, and a retry creates another: it was deleted" in logged()


def test_a_time_limit_behind_a_create_names_what_cannot_be_taken_back(emulator, context, logged, cut_off):
    context["ti"].xcom_push = lambda **_: time.sleep(3)
    with pytest.raises(cut_off):
        create(items=[{"role": "user", "content": "Hello!"}]).execute(context)
    (stored,) = emulator.conversations
    assert f"Conversation {stored['id']} (airflow_dag_id=sales" in logged()
    assert "was created before Cut came, and a retry creates another: it stays, as its items could not be" in logged()


def test_a_time_limit_behind_a_create_is_final_where_a_second_one_is_ruled_out(emulator, context, cut_off):
    context["ti"].xcom_push = lambda **_: time.sleep(3)
    with pytest.raises(AirflowFailException) as raised:
        create(on_ambiguous="fail").execute(context)
    (stored,) = emulator.conversations
    assert f"Conversation {stored['id']} was created before Cut came. The task is not retried" in str(raised.value)


def test_an_operator_uses_the_connection_it_is_given(emulator, context, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", emulator.connection(folder_id="b1g-other"))
    create(yandex_ai_studio_conn_id="other").execute(context)
    assert emulator.requests[0].headers["openai-project"] == "b1g-other"


def test_timeouts_of_an_operator_come_before_those_of_the_connection(emulator, context, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(timeout_read=20))
    emulator.fail("getConversation", delay=5, times=None)
    with pytest.raises(errors.APITimeoutError, match=r"no whole answer .* in 0\.1 s"):
        YandexGetConversationOperator(
            task_id="t", conversation_id="c", timeout_read=0.1, request_retry=RequestRetry(attempts=1)
        ).execute(context)
    operator = YandexGetConversationOperator(task_id="t", conversation_id="c", timeout_connect=0.3)
    assert operator.hook.get_conn().endpoint.timeout_connect == 0.3


@pytest.mark.parametrize("timeout", [0, -1, "1", True, 1e10])
def test_a_timeout_that_is_none_is_refused_before_any_request(emulator, context, timeout):
    with pytest.raises(AirflowFailException, match="timeout_read must be a number greater than 0"):
        YandexGetConversationOperator(task_id="t", conversation_id="c", timeout_read=timeout).execute(context)
    assert emulator.requests == []


def test_a_connection_that_is_not_defined_fails_the_task_for_good(context):
    with pytest.raises(AirflowFailException, match="connection 'nowhere' is not defined"):
        create(yandex_ai_studio_conn_id="nowhere").execute(context)


def test_bad_metadata_of_an_update_costs_no_request(emulator, context):
    with pytest.raises(AirflowFailException, match="metadata key"):
        YandexUpdateConversationOperator(task_id="t", conversation_id="c", metadata={"k": 1}).execute(context)
    assert emulator.requests == []
