"""The hook's responses, from an Airflow connection to what the server stores and bills."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.answers import answers_to, as_items
from airflow_provider_yandex_conv.api.outcome import require_answer
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

VARIABLE = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"


@pytest.fixture
def hook(emulator, monkeypatch):
    monkeypatch.setenv(VARIABLE, emulator.connection(folder_id="b1g"))
    return YandexAIStudioHook()


def turns(emulator):
    (conversation,) = emulator.conversations
    return [(item["role"], item["content"][0].get("text")) for item in conversation["items"]]


def ended(hook, response_id):
    until = time.monotonic() + 10
    while not (response := hook.get_response(response_id)).is_terminal:
        assert time.monotonic() < until
        time.sleep(0.01)
    return response


def test_an_answer_in_a_conversation(emulator, hook):
    conversation_id = hook.create_conversation().id
    emulator.answer("It is fine.")
    response = hook.create_response("How is it?", model="yandexgpt", conversation_id=conversation_id, temperature=0.2)
    assert (response.status, response.output_text, response.conversation_id) == (
        "completed",
        "It is fine.",
        conversation_id,
    )
    assert turns(emulator) == [("user", "How is it?"), ("assistant", "It is fine.")]
    assert emulator.requests[-1].body == {
        "model": "gpt://b1g/yandexgpt",
        "input": "How is it?",
        "conversation": conversation_id,
        "temperature": 0.2,
    }
    assert [one["usage"]["total_tokens"] for one in emulator.responses] == [response.usage.total_tokens]
    assert hook.get_response(response.id) == response


def test_a_response_in_the_background_from_its_creation_to_its_end(emulator, hook):
    response = hook.create_response("Hello", model="yandexgpt", background=True)
    assert (response.status, response.is_terminal) == ("queued", False)
    done = ended(hook, response.id)
    assert require_answer(done).output_text == "1 message seen; the last says: Hello"
    assert [item.text for item in hook.list_input_items(response.id)] == ["Hello"]
    assert hook.delete_response(response.id) is True
    assert emulator.responses == []
    with pytest.raises(errors.NotFoundError):
        hook.get_response(response.id)


def test_a_response_that_is_cancelled_is_not_billed(emulator, hook):
    emulator.answer(hold=True)
    response = hook.create_response("Hello", model="yandexgpt", background=True)
    cancelled = hook.cancel_response(response.id)
    assert (cancelled.status, cancelled.usage) == ("cancelled", None)
    assert hook.cancel_response(response.id) == cancelled
    with pytest.raises(errors.ResponseCancelledError, match=f"response {response.id}"):
        require_answer(cancelled)
    assert [one["status"] for one in emulator.responses] == ["cancelled"]


def test_only_a_response_in_the_background_is_cancelled(hook):
    response = hook.create_response("Hello", model="yandexgpt")
    with pytest.raises(errors.BadRequestError, match="Only background responses can be cancelled"):
        hook.cancel_response(response.id)


def test_a_response_that_is_not_there(hook):
    for call in (hook.get_response, hook.cancel_response, hook.delete_response):
        with pytest.raises(errors.NotFoundError):
            call("r1")
    with pytest.raises(errors.NotFoundError):
        list(hook.list_input_items("r1"))
    with pytest.raises(errors.NotFoundError):
        hook.create_response("Hello", model="yandexgpt", conversation_id="c1")
    assert hook.delete_response("r1", ignore_missing=True) is False


@pytest.mark.parametrize(
    ("operation", "method"), [("cancelResponse", "cancel_response"), ("deleteResponse", "delete_response")]
)
def test_an_endpoint_that_is_not_offered_is_told_from_a_response_that_is_not_there(emulator, hook, operation, method):
    response = hook.create_response("Hello", model="yandexgpt")
    emulator.fail(operation, status=404, times=None)
    with pytest.raises(errors.UnsupportedEndpointError, match="although it can be read"):
        getattr(hook, method)(response.id)
    assert [one["id"] for one in emulator.responses] == [response.id]


def test_a_delete_whose_answer_was_lost_is_one(emulator, hook):
    response = hook.create_response("Hello", model="yandexgpt")
    emulator.fail("deleteResponse", drop="close", applied=True)
    assert hook.delete_response(response.id) is True
    assert emulator.responses == []


def test_input_items_come_page_by_page(emulator, hook):
    asked = [{"role": "user", "content": str(n)} for n in range(7)]
    response = hook.create_response(asked, model="yandexgpt")
    emulator.reset_requests()
    assert [item.text for item in hook.list_input_items(response.id, page_size=3)] == list("0123456")
    assert len(emulator.requests) == 3
    newest = hook.list_input_items(response.id, order="desc", limit=2)
    assert [item.text for item in newest] == ["6", "5"]


def test_a_lost_answer_is_ambiguous_billed_once_and_found_in_the_conversation(emulator, hook):
    conversation_id = hook.create_conversation(items=[{"role": "system", "content": "Be brief"}]).id
    (last,) = hook.list_items(conversation_id, order="desc", limit=1)
    emulator.fail("createResponse", status=504, applied=True)
    with pytest.raises(errors.AmbiguousOutcomeError) as raised:
        hook.create_response("Hello", model="yandexgpt", conversation_id=conversation_id)
    created = [request for request in emulator.requests if request.operation == "createResponse"]
    assert [request.headers["x-client-request-id"] for request in created] == list(raised.value.client_request_ids)
    assert len(emulator.responses) == 1
    (answer,) = answers_to(as_items("Hello"), list(hook.list_items(conversation_id, after=last.id)))
    assert answer.text == "2 messages seen; the last says: Hello"


def test_a_lost_answer_is_asked_for_again_where_the_caller_allows_it(emulator, hook):
    emulator.fail("createResponse", status=504, applied=True)
    lost = []
    response = hook.create_response("Hello", model="yandexgpt", on_lost=lost.append)
    assert len(lost) == 1
    assert [one["id"] for one in emulator.responses][1:] == [response.id]


def test_a_response_is_noted_before_it_is_sent(emulator, hook):
    class Journal:
        begun = ()

        def begin(self, client_request_id):
            assert emulator.requests == []
            self.begun += (client_request_id,)

    journal = Journal()
    hook.create_response("Hello", model="yandexgpt", journal=journal)
    assert journal.begun == (emulator.requests[0].headers["x-client-request-id"],)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"input": "x"}, "a response needs a model"),
        ({"input": " ", "model": "yandexgpt"}, "input is empty"),
        ({"input": "x", "model": "yandexgpt", "metadata": {"a": "b"}}, "does not support metadata of a response"),
    ],
    ids=str,
)
def test_what_cannot_be_sent_is_not(emulator, hook, arguments, text):
    with pytest.raises(errors.ConfigurationError, match=text):
        hook.create_response(**arguments)
    assert emulator.requests == []


def test_what_is_not_supported_is_sent_where_that_is_allowed(emulator, hook):
    hook.create_response("x", model="yandexgpt", metadata={"a": "b"}, allow_unsupported=True)
    assert emulator.requests[0].body["metadata"] == {"a": "b"}


def test_a_model_by_name_needs_the_folder_of_the_connection(emulator, monkeypatch):
    monkeypatch.setenv(VARIABLE, emulator.connection())
    hook = YandexAIStudioHook()
    with pytest.raises(errors.ConfigurationError, match="set the extra folder_id of the connection"):
        hook.create_response("x", model="yandexgpt")
    assert emulator.requests == []
    assert hook.create_response("x", model="gpt://b1g/yandexgpt").model == "gpt://b1g/yandexgpt"


def test_the_folder_of_a_borrowed_connection_counts(emulator, monkeypatch):
    monkeypatch.setenv("YC_METADATA_ADDR", emulator.metadata_address)
    lent = {"conn_type": "yandexcloud", "extra": {"folder_id": "b1glent"}}
    monkeypatch.setenv("AIRFLOW_CONN_YANDEXCLOUD_DEFAULT", json.dumps(lent))
    extra = {"auth_type": "yandexcloud"}
    own = {"conn_type": "yandex_ai_studio", "host": emulator.base_url, "extra": extra}
    monkeypatch.setenv(VARIABLE, json.dumps(own))
    assert YandexAIStudioHook().create_response("x", model="yandexgpt").model == "gpt://b1glent/yandexgpt"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": {"code": "server_error", "message": "Oops"}}, errors.ResponseFailedError),
        ({"text": "Ye", "reason": "content_filter"}, errors.ResponseIncompleteError),
        ({"status": "cancelled"}, errors.ResponseCancelledError),
        ({"refusal": "I cannot"}, errors.ResponseRefusedError),
    ],
    ids=str,
)
def test_an_end_without_an_answer_is_told_by_who_asks_for_one(emulator, hook, answer, kind):
    emulator.answer(**answer)
    response = hook.create_response("Hello", model="yandexgpt")
    with pytest.raises(kind) as raised:
        require_answer(response)
    (stored,) = emulator.responses
    assert raised.value.response_id == stored["id"]
    assert raised.value.request_id == response.request_id
    billed = stored["usage"] and stored["usage"]["total_tokens"]
    assert (raised.value.usage and raised.value.usage["total_tokens"]) == billed


def test_a_secret_that_the_server_repeats_in_an_answer_reaches_no_error(emulator, monkeypatch):
    key = "AQVN-planted-8"
    fields = {"conn_type": "yandex_ai_studio", "host": emulator.base_url, "password": key}
    monkeypatch.setenv(VARIABLE, json.dumps({**fields, "extra": {"folder_id": "b1g"}}))
    emulator.answer(error={"code": "server_error", "message": f"bad key {key}"})
    response = YandexAIStudioHook().create_response("Hello", model="yandexgpt")
    with pytest.raises(errors.ResponseFailedError) as raised:
        require_answer(response)
    assert key not in f"{raised.value} {raised.value.reason} {response.raw}"
