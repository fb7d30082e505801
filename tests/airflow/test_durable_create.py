"""A create over several tries of its task, and with a store that fails, forgets or lies."""

from __future__ import annotations

import os

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from state_store import SupervisorError

KEY = "yandex_ai_studio_conversation"
CREATE = "createConversation"
FAST = RequestRetry(attempts=3, wait_initial=0)
MARKER = "metadata airflow_dag_id=sales airflow_run_id=scheduled__2026-01-01 airflow_task_id=create"


@pytest.fixture
def attempt(context, store):
    """Return a function that runs one try of the task, with an operator of its own."""
    context["ti"].max_tries = 2

    def run(**arguments):
        context["task_state_store"] = store
        arguments = {"request_retry": FAST, **arguments}
        return YandexCreateConversationOperator(task_id="create", **arguments).execute(context)

    return run


@pytest.fixture
def orphaned(store, monkeypatch):
    """The supervisor of the try is killed after the request was sent: what is created cannot be handed over to it."""
    parent = os.getppid()
    monkeypatch.setattr(os, "getppid", lambda: 1 if store.calls.count("set") > 1 else parent)
    store.faults = {("set", 2): BrokenPipeError()}


def request_ids(emulator):
    return [one.headers["x-client-request-id"] for one in emulator.requests if one.operation == CREATE]


def ids(emulator):
    return [one["id"] for one in emulator.conversations]


def test_a_retry_uses_the_conversation_of_the_try_before(attempt, emulator, context, logged):
    first = attempt(metadata={"a": "b"})
    context["pushed"].clear()
    assert attempt(metadata={"a": "b"}) == first
    assert ids(emulator) == [first]
    assert [one.operation for one in emulator.requests] == [CREATE, "getConversation"]
    assert context["pushed"]["conversation"]["id"] == first
    assert f"Using conversation {first}, which an earlier try of this task created" in logged()


def test_what_is_kept_says_nothing_of_the_content(attempt, store, emulator):
    attempt(metadata={"topic": "a secret plan"}, items=[{"role": "user", "content": "the plan"}])
    kept = store.kept()[KEY]
    assert kept["created"] == {"id": emulator.conversations[0]["id"]}
    assert kept["client_request_ids"] == []
    assert "plan" not in str(kept)


@pytest.mark.parametrize("on_ambiguous", ["recreate", "fail"])
def test_an_attempt_is_noted_before_it_is_sent(attempt, store, emulator, on_ambiguous):
    emulator.fail(CREATE, status=503, times=None)
    with pytest.raises((errors.AmbiguousOutcomeError, AirflowFailException)):
        attempt(on_ambiguous=on_ambiguous)
    assert store.kept()[KEY]["client_request_ids"] == request_ids(emulator)
    assert store.kept()[KEY]["created"] == {}


def test_an_attempt_that_was_refused_is_no_riddle_to_the_next_try(attempt, store, emulator, logged):
    emulator.fail(CREATE, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError):
        attempt(on_ambiguous="fail")
    assert store.kept()[KEY]["client_request_ids"] == []
    assert attempt(on_ambiguous="fail") == emulator.conversations[0]["id"]
    assert "may have left" not in logged()


def test_a_retry_names_what_the_try_before_may_have_left_and_creates_again(attempt, emulator, logged):
    emulator.fail(CREATE, drop="reset", applied=True, times=3)
    with pytest.raises(errors.AmbiguousOutcomeError):
        attempt()
    logged()
    assert attempt() == ids(emulator)[-1]
    (warning,) = [line for line in logged().splitlines() if "an earlier try of this task ended before" in line][:1]
    assert "Creating again, as on_ambiguous is 'recreate'" in warning
    assert MARKER in warning
    for lost in request_ids(emulator)[:3]:
        assert lost in warning


def test_a_retry_does_not_create_again_where_the_author_ruled_it_out(attempt, store, emulator):
    """The try before was killed, so it could not say so itself."""
    store.set(KEY, {**_record(attempt, store), "client_request_ids": ["lost-1"], "created": {}}, retention=None)
    emulator.reset()
    with pytest.raises(AirflowFailException, match=r"x-client-request-id lost-1.*as on_ambiguous is 'fail'"):
        attempt(on_ambiguous="fail")
    assert emulator.requests == []


def test_a_user_who_clears_the_task_gets_another_conversation(attempt, emulator, context, logged):
    first = attempt()
    context["ti"].max_tries = 3  # what Airflow makes of it
    second = attempt()
    assert ids(emulator) == [first, second]
    assert f"Creating another conversation, as the task was cleared: conversation {first} of before stays" in logged()
    assert attempt() == second


def test_a_clear_names_what_was_lost_before_it(attempt, store, emulator, context, logged):
    store.set(KEY, {**_record(attempt, store), "client_request_ids": ["lost-1"], "created": {}}, retention=None)
    context["ti"].max_tries = 3
    attempt(on_ambiguous="fail")
    assert "Creating anew, as the task was cleared: an attempt may have left" in logged()


@pytest.mark.parametrize("other", [{"metadata": {"c": "2"}}, {"items": [{"role": "user", "content": "x"}]}])
def test_the_conversation_of_other_input_is_not_taken_for_this_one(attempt, emulator, logged, other):
    """As for a mapped task whose place in the list now holds another item."""
    first = attempt(metadata={"c": "1"})
    second = attempt(**other)
    assert ids(emulator) == [first, second]
    assert f"as the task's input was another then: conversation {first} of before stays" in logged()


def test_the_conversation_of_another_connection_is_not_taken_for_this_one(attempt, emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", emulator.connection())
    assert attempt() != attempt(yandex_ai_studio_conn_id="other")


def test_a_lost_attempt_for_other_input_is_as_final_as_one_for_this(attempt, store, emulator):
    store.set(KEY, {**_record(attempt, store), "client_request_ids": ["lost-1"], "created": {}}, retention=None)
    with pytest.raises(AirflowFailException, match="lost-1"):
        attempt(metadata={"other": "input"}, on_ambiguous="fail")


def test_a_conversation_that_is_gone_is_replaced_with_a_warning(attempt, emulator, logged):
    first = attempt()
    YandexAIStudioHook().delete_conversation(first)
    second = attempt()
    assert ids(emulator) == [second]
    assert f"Conversation {first}, which an earlier try of this task created, is gone" in logged()
    assert attempt() == second


def test_a_conversation_that_is_gone_fails_the_task_where_the_author_wants_it(attempt, emulator):
    YandexAIStudioHook().delete_conversation(attempt())
    with pytest.raises(AirflowFailException, match="The task is not retried, as on_missing is 'fail'"):
        attempt(on_missing="fail")
    assert emulator.conversations == []


def test_a_conversation_that_cannot_be_looked_up_is_not_replaced(attempt, emulator):
    first = attempt()
    emulator.fail("getConversation", status=503, times=3)
    with pytest.raises(errors.InternalServerError):
        attempt()
    assert attempt() == first


def test_without_durable_a_retry_creates_anew_and_keeps_nothing(attempt, emulator, store):
    assert attempt(durable=False) != attempt(durable=False)
    assert (store.calls, len(emulator.conversations)) == ([], 2)


@pytest.mark.usefixtures("emulator", "logged")
def test_an_airflow_without_the_store_says_so_once(context, capfd, caplog):
    YandexCreateConversationOperator(task_id="create").execute(context)
    said = "no task state store (3.3 has one)"
    printed = capfd.readouterr()
    recorded = {record.created for record in caplog.records if said in record.getMessage()}
    # Airflow 3.0 prints a line and gives it to the standard library, others do one of the two.
    counts = {(printed.out + printed.err).count(said), len(recorded)}
    assert counts - {0} == {1}


@pytest.mark.parametrize(
    "error", [RuntimeError("no database"), TimeoutError(), EOFError("closed"), SupervisorError(500)]
)
def test_a_store_that_cannot_be_read_is_not_taken_for_an_empty_one(attempt, store, emulator, error):
    first = attempt()
    emulator.reset_requests()
    store.faults = {("get", store.calls.count("get") + 1): error}
    with pytest.raises(errors.TaskStateStoreError, match=f"could not be read \\({type(error).__name__}"):
        attempt()
    assert emulator.requests == []
    assert attempt() == first


@pytest.mark.parametrize(
    "nonsense", ["gone", [], {}, {"id": "conv_1"}, {"fingerprint": 1}, 7, True, {"created": {}, "max_tries": 2}]
)
def test_a_store_that_returns_nonsense_is_not_taken_for_an_empty_one(attempt, store, emulator, nonsense):
    store.set(KEY, nonsense, retention=None)
    with pytest.raises(errors.TaskStateStoreError, match=f"the key '{KEY}' .* cannot be read"):
        attempt()
    assert emulator.requests == []


@pytest.mark.parametrize("field", ["fingerprint", "max_tries", "created", "client_request_ids", "sent_at"])
def test_a_field_of_the_wrong_kind_is_nonsense(attempt, store, emulator, field):
    store.set(KEY, {**_record(attempt, store), field: object.__name__ if field == "created" else {}}, retention=None)
    emulator.reset_requests()
    with pytest.raises(errors.TaskStateStoreError, match="a field is not of the kind that was written"):
        attempt()
    assert emulator.requests == []


def test_nothing_is_sent_that_could_not_be_noted(attempt, store, emulator):
    store.faults = {("set", n): RuntimeError("no database") for n in range(1, 4)}
    with pytest.raises(errors.TaskStateStoreError) as raised:
        attempt()
    assert str(raised.value) == (
        "create conversation: Airflow's task state store could not be written (RuntimeError: no database). Nothing was "
        "sent. Gave up after 3 of 3 attempts. A retry may succeed; durable=False does without the store."
    )
    assert emulator.requests == []


def test_a_store_that_fails_for_a_moment_is_asked_again(attempt, store, emulator):
    store.faults = {("set", 1): RuntimeError("no database")}
    assert attempt() == emulator.conversations[0]["id"]
    assert len(emulator.requests) == 1


def test_an_attempt_that_was_not_sent_for_want_of_proof_is_no_riddle_to_the_next_try(attempt, store, emulator):
    store.faults = {("get", n): RuntimeError("no database") for n in range(2, 5)}
    with pytest.raises(errors.TaskStateStoreError, match="could not be read"):
        attempt(on_ambiguous="fail")
    assert emulator.requests == []
    assert store.kept()[KEY]["client_request_ids"] == []
    assert attempt(on_ambiguous="fail") == emulator.conversations[0]["id"]


def test_nothing_is_sent_where_the_store_forgets(attempt, store, emulator):
    store.kept = dict
    with pytest.raises(errors.TaskStateStoreError, match="does not return what was written to it"):
        attempt()
    assert emulator.requests == []


@pytest.mark.parametrize("error", [RuntimeError("no database"), TimeoutError(), SupervisorError(500)])
def test_a_conversation_that_could_not_be_noted_is_returned_with_a_warning(attempt, store, emulator, logged, error):
    store.faults = {("set", 2): error}
    created = attempt()
    assert ids(emulator) == [created]
    assert f"Conversation {created} exists, but that could not be noted" in logged()


def test_a_retry_after_a_note_that_failed_warns(attempt, store, emulator, logged):
    store.faults = {("set", 2): RuntimeError("no database")}
    first = attempt()
    second = attempt()
    assert ids(emulator) == [first, second]
    assert "an attempt may have left a conversation behind that nobody can find again (x-client-request-id " in logged()


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_try_that_was_superseded_sends_nothing(attempt, store, emulator, status):
    store.faults = {("set", 1): SupervisorError(status)}
    with pytest.raises(errors.TaskSupersededError, match="another try of this task has taken over"):
        attempt()
    assert emulator.requests == []


@pytest.mark.parametrize("on_ambiguous", ["recreate", "fail"])
def test_a_try_without_a_supervisor_sends_nothing_and_names_no_attempt(
    attempt, store, emulator, monkeypatch, logged, on_ambiguous
):
    """Whether its note was kept is not known, but nothing was sent that could be lost."""
    parent = os.getppid()
    monkeypatch.setattr(os, "getppid", lambda: 1 if store.calls.count("set") else parent)
    store.faults = {("set", 1): EOFError()}
    with pytest.raises(errors.TaskSupersededError, match="create conversation: the supervisor of this task has died"):
        attempt(on_ambiguous=on_ambiguous)
    assert emulator.requests == []
    assert "may have left" not in logged()


@pytest.mark.usefixtures("orphaned")
def test_a_try_without_a_supervisor_takes_back_what_it_created(attempt, emulator, logged):
    with pytest.raises(errors.TaskSupersededError):
        attempt()
    assert emulator.conversations == []
    (taken_back,) = emulator.deleted_conversations
    assert f"Conversation {taken_back['id']} (airflow_dag_id=sales" in logged()


@pytest.mark.usefixtures("orphaned")
def test_a_try_without_a_supervisor_names_what_it_cannot_take_back(attempt, emulator, logged):
    emulator.fail("deleteConversation", status=501)
    with pytest.raises(errors.TaskSupersededError):
        attempt()
    (left,) = emulator.conversations
    text = logged()
    assert f"Conversation {left['id']} (airflow_dag_id=sales" in text
    assert "it could not be deleted (delete conversation: HTTP 501" in text


@pytest.mark.usefixtures("orphaned")
def test_a_try_without_a_supervisor_leaves_items_within_reach(attempt, emulator, logged):
    """The vendor keeps the items of a deleted conversation, where nobody can reach them."""
    with pytest.raises(errors.TaskSupersededError):
        attempt(items=[{"role": "user", "content": "Hello"}])
    (left,) = emulator.conversations
    assert f"Conversation {left['id']} (airflow_dag_id=sales" in logged()


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_try_that_was_superseded_leaves_the_one_that_took_over_what_it_may_use(
    attempt, store, emulator, logged, status
):
    """The answer to its note was lost, the next try took over and found it, and Airflow sent the note again."""
    write = store.set

    def write_and_refuse(*args, **kwargs):
        write(*args, **kwargs)
        if store.calls.count("set") == 2:
            raise SupervisorError(status)

    store.set = write_and_refuse
    with pytest.raises(errors.TaskSupersededError, match="another try of this task has taken over"):
        attempt()
    (left,) = emulator.conversations
    text = logged()
    assert f"Conversation {left['id']} (airflow_dag_id=sales" in text
    assert "it stays, as the try that took over may use it" in text
    assert attempt() == left["id"]


@pytest.mark.parametrize(
    ("error", "taken_back"),
    [(BrokenPipeError(), True), (EOFError(), False), (ConnectionResetError(), False)],
    ids=lambda one: type(one).__name__,
)
def test_a_try_without_a_supervisor_takes_back_only_what_was_certainly_not_noted(
    attempt, store, emulator, monkeypatch, error, taken_back
):
    """A note whose answer was lost may have been kept, and then the next try uses the conversation."""
    parent = os.getppid()
    monkeypatch.setattr(os, "getppid", lambda: 1 if store.calls.count("set") > 1 else parent)
    store.faults = {("set", 2): error}
    with pytest.raises(errors.TaskSupersededError, match="the supervisor of this task has died"):
        attempt()
    assert len(emulator.conversations) == (0 if taken_back else 1)


@pytest.mark.usefixtures("orphaned")
def test_a_try_whose_log_is_gone_still_takes_back_what_it_created(attempt, emulator, monkeypatch):
    from airflow_provider_yandex_conv.operators import creating

    class Gone:
        def __getattr__(self, name):
            raise BrokenPipeError

    keep = creating.ConversationCreator._keep

    def without_a_log(self, conversation):
        self._log = Gone()
        keep(self, conversation)

    monkeypatch.setattr(creating.ConversationCreator, "_keep", without_a_log)
    with pytest.raises(errors.TaskSupersededError):
        attempt()
    assert emulator.conversations == []


@pytest.mark.parametrize("name", ["on_ambiguous", "on_missing"])
def test_an_unknown_choice_is_refused_when_the_dag_is_parsed(name):
    with pytest.raises(errors.ConfigurationError, match=f"{name} must be 'recreate' or 'fail', got 'retry'"):
        YandexCreateConversationOperator(task_id="create", **{name: "retry"})


def _record(attempt, store):
    """Return the record of a try that ended well, to be changed."""
    attempt()
    return store.kept()[KEY]
