"""The operator that asks a model: what reaches the server, what is returned, and what is paid for."""

from __future__ import annotations

import json
import threading
import time

import pytest
from conditions import wait_until

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException, TaskDeferred
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

CREATE = "createResponse"
FAST = RequestRetry(attempts=3, wait_initial=0)
MODEL = "gpt://b1g/yandexgpt"
VERDICT = {
    "title": "Verdict",
    "type": "object",
    "properties": {"spam": {"type": "boolean"}},
    "required": ["spam"],
    "additionalProperties": False,
}


@pytest.fixture
def conversation(emulator):
    """The id of a conversation that holds one message."""
    return YandexAIStudioHook().create_conversation(items=[{"role": "user", "content": "Before"}]).id


def ask(**arguments):
    arguments = {"model": MODEL, "request_retry": FAST, "poll_interval": 0.02, "timeout": 10, **arguments}
    return YandexCreateResponseOperator(task_id="ask", **arguments)


def sent(emulator):
    return [one.body for one in emulator.requests if one.operation == CREATE]


def texts(emulator):
    (stored,) = emulator.conversations
    return [item["content"][0]["text"] for item in stored["items"]]


def test_an_answer_in_a_conversation(emulator, context, conversation):
    emulator.answer("Forty-two", usage={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})
    assert ask(conversation_id=conversation, input="The answer?").execute(context) == "Forty-two"
    (response,) = emulator.responses
    assert texts(emulator) == ["Before", "The answer?", "Forty-two"]
    assert sent(emulator) == [{"model": MODEL, "input": "The answer?", "conversation": conversation}]
    assert context["pushed"] == {
        "conversation_id": conversation,
        "response_id": response["id"],
        "status": "completed",
        "usage": {
            "1": {
                "response_id": response["id"],
                "input_tokens": 7,
                "output_tokens": 2,
                "total_tokens": 9,
                "cached_tokens": 0,
                "reasoning_tokens": 0,
            }
        },
    }


def test_every_argument_reaches_the_server(emulator, context, monkeypatch):
    stored = json.loads(emulator.connection(folder_id="b1gfolder"))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(stored))
    tool = {"type": "function", "name": "look", "parameters": {}}
    ask(
        yandex_ai_studio_conn_id="other",
        input=[{"role": "user", "content": "Hello"}],
        model="yandexgpt",
        instructions="Be brief",
        tools=[tool],
        max_output_tokens=50,
        temperature=0.3,
        options={"tool_choice": "none", "store": True},
    ).execute(context)
    assert sent(emulator) == [
        {
            "input": [{"role": "user", "content": "Hello"}],
            "model": "gpt://b1gfolder/yandexgpt",
            "instructions": "Be brief",
            "tools": [tool],
            "max_output_tokens": 50,
            "temperature": 0.3,
            "tool_choice": "none",
            "store": True,
        }
    ]


def test_a_saved_agent_needs_no_model(emulator, context):
    ask(model=None, prompt={"id": "fvt1"}, input="Hello").execute(context)
    assert sent(emulator) == [{"prompt": {"id": "fvt1"}, "input": "Hello"}]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"model": None, "input": "x"}, "a response needs a model"),
        ({"input": " "}, "input is empty"),
        ({"input": "x", "temperature": 1.5}, "temperature must be from 0 to 1"),
        ({"input": "x", "options": {"metadata": {"a": "b"}}}, "the vendor does not support metadata of a response"),
        (
            {"input": "x", "options": {"temperature": 0}},
            "options holds temperature, which the operator has an argument",
        ),
        ({"input": "x", "options": {"text": {}}, "output_schema": VERDICT}, "both say what the answer looks like"),
        ({"input": "x", "output_schema": {"type": "thing"}}, "output_schema is no JSON Schema"),
        ({"input": "x", "output_schema": "spam"}, "output_schema must be a JSON Schema or a pydantic model, got str"),
        ({"input": "x", "on_ambiguous": "recover"}, "on_ambiguous='recover' needs a conversation_id"),
        ({"input": "x", "poll_interval": 0, "conversation_id": "c1"}, "the poll interval must be a number greater"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(emulator, context, arguments, text):
    with pytest.raises(AirflowFailException, match=text):
        ask(**arguments).execute(context)
    assert emulator.requests == []


class TestStructured:
    def test_the_object_is_returned(self, emulator, context):
        emulator.answer('{"spam": true}')
        assert ask(input="Spam?", output_schema=VERDICT).execute(context) == {"spam": True}
        assert sent(emulator)[0]["text"] == {
            "format": {"type": "json_schema", "name": "Verdict", "schema": VERDICT, "strict": True}
        }

    def test_a_pydantic_model_is_a_schema(self, emulator, context):
        from pydantic import BaseModel

        class Verdict(BaseModel):
            spam: bool

        emulator.answer('{"spam": false}')
        assert ask(input="Spam?", output_schema=Verdict).execute(context) == {"spam": False}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("Yes", "it is no JSON"), ('{"spam": "yes"}', r"at \$.spam: 'yes' is not of type 'boolean'")],
    )
    def test_an_answer_of_another_form_is_an_error_that_says_what_it_cost(self, emulator, context, text, problem):
        emulator.answer(text, usage={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        with pytest.raises(errors.ResponseSchemaError, match=problem) as raised:
            ask(input="Spam?", output_schema=VERDICT).execute(context)
        assert "Billed: 3 input and 4 output tokens. A retry asks, and pays, again." in str(raised.value)
        assert context["pushed"]["usage"]["1"]["total_tokens"] == 7


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        ({"error": {"code": "server_error", "message": "no luck"}}, errors.ResponseFailedError, "no luck"),
        ({"error": {"code": "invalid_prompt", "message": "bad"}}, AirflowFailException, "bad"),
        ({"text": "half", "reason": "max_output_tokens"}, AirflowFailException, "cut short: max_output_tokens"),
        ({"refusal": "I will not"}, AirflowFailException, "the model refused: I will not"),
        ({"status": "cancelled"}, errors.ResponseCancelledError, "was cancelled"),
    ],
)
def test_what_is_no_answer_is_an_error_after_its_status_is_pushed(emulator, context, answer, error, kind):
    emulator.answer(**answer)
    with pytest.raises(error, match=kind):
        ask(input="Hello").execute(context)
    (response,) = emulator.responses
    assert context["pushed"]["response_id"] == response["id"]
    assert context["pushed"]["status"] == response["status"] != "completed" or "refusal" in answer


class TestBackground:
    def test_it_is_waited_for(self, emulator, context, conversation):
        emulator.answer("Late", delay=0.2)
        assert ask(conversation_id=conversation, input="Hello", background=True).execute(context) == "Late"
        assert sent(emulator)[0]["background"] is True
        assert len([one for one in emulator.requests if one.operation == "getResponse"]) > 1
        assert texts(emulator) == ["Before", "Hello", "Late"]

    def test_looks_that_fail_are_tolerated(self, emulator, context):
        emulator.answer("Late", delay=0.1)
        emulator.fail("getResponse", status=500, times=3 * 3)
        assert ask(input="Hello", background=True).execute(context) == "Late"

    def test_an_end_that_does_not_come_in_time_is_an_error_that_retries_wait_on(self, emulator, context):
        emulator.answer("Never", hold=True)
        with pytest.raises(AirflowFailException, match=r"is still '\w+' after 0.1 s. It may go on, and is billed"):
            ask(input="Hello", background=True, timeout=0.1).execute(context)

    def test_it_is_deferred_with_nothing_but_ids(self, emulator, context):
        emulator.answer("Late", hold=True)
        operator = ask(input="Hello", deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        (response,) = emulator.responses
        path, arguments = deferred.value.trigger.serialize()
        assert path == "airflow_provider_yandex_conv.triggers.responses.YandexResponseTrigger"
        assert arguments.pop("deadline") > 0
        assert arguments == {
            "response_id": response["id"],
            "poll_interval": 0.02,
            "max_poll_interval": 15.0,
            "cancel_on_kill": True,
            "yandex_ai_studio_conn_id": "yandex_ai_studio_default",
        }
        assert context["pushed"] == {"response_id": response["id"]}
        wait_until(lambda: emulator.responses_held, seconds=10)
        emulator.release()
        wait_until(lambda: emulator.responses[0]["status"] == "completed", seconds=10)
        event = {"response_id": response["id"], "status": "completed", "error": None}
        assert ask(input="Hello", deferrable=True).execute_complete(context, event) == "Late"
        assert len(sent(emulator)) == 1
        assert context["pushed"]["usage"]["1"]["response_id"] == response["id"]

    def test_a_trigger_that_gave_up_is_looked_after_once_more(self, emulator, context, logged):
        emulator.answer("Late", hold=True)
        operator = ask(input="Hello", deferrable=True, timeout=5)
        with pytest.raises(TaskDeferred):
            operator.execute(context)
        event = {"response_id": emulator.responses[0]["id"], "status": None, "error": "no connection"}
        with pytest.raises(AirflowFailException, match=r"is still '\w+' after 5 s"):
            operator.execute_complete(context, event)
        assert "ended: no connection" in logged()

    def test_a_deferrable_task_whose_response_is_not_in_the_background_does_not_wait(self, emulator, context):
        assert ask(input="Hello", deferrable=True, background=False).execute(context)
        assert "background" not in sent(emulator)[0]


def test_a_request_may_take_as_long_as_the_task_allows(emulator, context, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(timeout_read=0.2))
    emulator.answer("Slow", delay=0.6)
    assert ask(input="Hello").execute(context) == "Slow"
    assert len(sent(emulator)) == 1


@pytest.mark.parametrize("lost", [{"status": 503}, {"drop": "reset"}, {"truncate": 5}, {"status": 504, "late": 0.3}])
class TestLostAnswers:
    def test_it_is_recovered_from_the_conversation_and_paid_once(self, emulator, context, conversation, lost, logged):
        emulator.answer("Found")
        emulator.fail(CREATE, **({"applied": True} if "late" not in lost else {}), **lost)
        assert ask(conversation_id=conversation, input="Hello").execute(context) == "Found"
        assert len(emulator.responses) == len(sent(emulator)) == 1
        assert texts(emulator) == ["Before", "Hello", "Found"]
        assert "Recovered the answer from conversation" in logged()
        assert context["pushed"] == {
            "response_id": None,
            "conversation_id": conversation,
            "status": "completed",
            "usage": {},
        }

    def test_with_fail_the_task_ends(self, emulator, context, conversation, lost):
        emulator.fail(CREATE, **({"applied": True} if "late" not in lost else {}), **lost)
        with pytest.raises(AirflowFailException, match="not retried, as asking again may pay twice"):
            ask(conversation_id=conversation, input="Hello", on_ambiguous="fail").execute(context)
        assert len(sent(emulator)) == 1

    def test_outside_a_conversation_it_fails_as_nothing_can_be_looked_for(self, emulator, context, lost):
        emulator.fail(CREATE, **({"applied": True} if "late" not in lost else {}), **lost)
        with pytest.raises(AirflowFailException, match="not retried, as asking again may pay twice"):
            ask(input="Hello").execute(context)
        assert len(sent(emulator)) == 1


def test_an_answer_that_is_not_there_by_the_deadline_is_an_error_that_says_what_was_seen(
    emulator, context, conversation
):
    emulator.fail(CREATE, status=503)
    with pytest.raises(AirflowFailException) as raised:
        ask(conversation_id=conversation, input="Hello", timeout=0.2).execute(context)
    assert f"Conversation {conversation} holds no answer to it after item" in str(raised.value)
    assert "items there: none" in str(raised.value)
    assert len(sent(emulator)) == 1


def test_with_recreate_it_is_asked_again_once_nothing_was_found(emulator, context, conversation, logged):
    emulator.fail(CREATE, status=503)
    emulator.answer("Second")
    arguments = {"conversation_id": conversation, "input": "Hello", "timeout": 0.2, "on_ambiguous": "recreate"}
    assert ask(**arguments).execute(context) == "Second"
    assert len(sent(emulator)) == 2
    assert "Asking, and perhaps paying, again, as on_ambiguous is 'recreate'" in logged()
    assert sent(emulator)[0] == sent(emulator)[1]


@pytest.mark.parametrize("deferrable", [False, True])
def test_what_is_asked_again_has_the_whole_time_before_it(emulator, context, conversation, deferrable):
    emulator.fail(CREATE, status=503)
    emulator.answer("Second", delay=0.4)
    operator = ask(
        conversation_id=conversation,
        input="Hello",
        timeout=1,
        on_ambiguous="recreate",
        background=True,
        deferrable=deferrable,
    )
    began = time.time()
    if deferrable:
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        assert deferred.value.trigger.deadline >= began + 2
    else:
        assert operator.execute(context) == "Second"
    assert len(sent(emulator)) == 2


def test_an_equal_question_of_somebody_else_is_not_taken_for_ours(emulator, context, conversation):
    other = YandexAIStudioHook()
    other.create_response("Hello", model=MODEL, conversation_id=conversation)
    emulator.fail(CREATE, status=503)  # not carried out: the only answer to these words is older
    with pytest.raises(AirflowFailException, match="holds no answer to it"):
        ask(conversation_id=conversation, input="Hello", timeout=0.2).execute(context)


def test_two_answers_to_the_same_words_are_not_told_apart(emulator, context, conversation):
    emulator.fail(CREATE, status=504, late=0.2)
    emulator.fail("listConversationItems", skip=1, delay=0.5)
    operator = ask(conversation_id=conversation, input="Hello", timeout=5)

    def interfere():
        YandexAIStudioHook().create_response("Hello", model=MODEL, conversation_id=conversation)

    timer = threading.Timer(0.3, interfere)
    timer.start()
    with pytest.raises(AirflowFailException, match="holds 2 answers to the same input"):
        operator.execute(context)
    timer.join()
