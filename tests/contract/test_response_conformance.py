"""
The emulator's responses against a client that is not ours: used by our hook and by the official ``openai`` SDK.

Where the SDK and the emulator disagree, the emulator is wrong.
"""

from __future__ import annotations

import time

import openai
import pydantic
import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

KEY, FOLDER = "AQVN-planted-7", "b1g"
MODEL = f"gpt://{FOLDER}/yandexgpt"


@pytest.fixture(scope="module")
def _server():
    with Emulator(api_key=KEY, folder_id=FOLDER) as emulator:
        yield emulator


@pytest.fixture
def server(_server):
    _server.reset()
    return _server


@pytest.fixture
def sdk(server, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_PROJECT_ID", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    return openai.OpenAI(api_key=KEY, base_url=server.base_url, project=FOLDER, max_retries=0)


class OpenAISDK:
    """The endpoints as the official SDK offers them; everything is returned as the server sent it."""

    ERRORS = openai

    def __init__(self, sdk):
        self._api = sdk.responses

    def create(self, asked, conversation_id=None, **body):
        return self._api.create(input=asked, model=MODEL, conversation=conversation_id, **body).to_dict()

    def get(self, response_id):
        return self._api.retrieve(response_id).to_dict()

    def cancel(self, response_id):
        return self._api.cancel(response_id).to_dict()

    def delete(self, response_id):
        assert self._api.delete(response_id) is None

    def input_items(self, response_id, order, page_size):
        return [item.to_dict() for item in self._api.input_items.list(response_id, order=order, limit=page_size)]


class OurHook:
    """The same, as our hook offers them."""

    ERRORS = errors

    def __init__(self, hook):
        self._hook = hook

    def create(self, asked, conversation_id=None, **body):
        return dict(self._hook.create_response(asked, model=MODEL, conversation_id=conversation_id, **body).raw)

    def get(self, response_id):
        return dict(self._hook.get_response(response_id).raw)

    def cancel(self, response_id):
        return dict(self._hook.cancel_response(response_id).raw)

    def delete(self, response_id):
        assert self._hook.delete_response(response_id) is True

    def input_items(self, response_id, order, page_size):
        return [dict(item.raw) for item in self._hook.list_input_items(response_id, order=order, page_size=page_size)]


@pytest.fixture(params=["hook", "openai"])
def client(request, server, sdk, monkeypatch):
    if request.param == "openai":
        return OpenAISDK(sdk)
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", server.connection())
    return OurHook(YandexAIStudioHook())


def text(response):
    return response["output"][0]["content"][0]["text"]


def ended(client, response_id):
    until = time.monotonic() + 10
    while (response := client.get(response_id))["status"] in {"queued", "in_progress"}:
        assert time.monotonic() < until
        time.sleep(0.01)
    return response


def test_a_turn_in_a_conversation(server, sdk, client):
    conversation_id = sdk.conversations.create().id
    response = client.create("Hello", conversation_id)
    assert (response["object"], response["status"], response["error"]) == ("response", "completed", None)
    assert text(response) == "1 message seen; the last says: Hello"
    assert response["conversation"] == {"id": conversation_id}
    assert response["usage"]["total_tokens"] == 8
    items = sdk.conversations.items.list(conversation_id, order="asc").data
    assert [(item.role, item.content[0].text) for item in items] == [("user", "Hello"), ("assistant", text(response))]
    assert client.get(response["id"]) == response


def test_a_chain_of_responses_without_a_conversation(client):
    first = client.create("Hello")
    second = client.create("More", previous_response_id=first["id"])
    assert text(second) == "3 messages seen; the last says: More"
    assert second["previous_response_id"] == first["id"]


def test_a_response_in_the_background(client):
    created = client.create("Hello", background=True)
    assert created["status"] == "queued"
    assert text(ended(client, created["id"])) == "1 message seen; the last says: Hello"


def test_a_response_that_is_cancelled(server, client):
    server.answer(hold=True)
    created = client.create("Hello", background=True)
    assert client.cancel(created["id"])["status"] == "cancelled"
    assert client.cancel(created["id"])["status"] == "cancelled"
    assert client.get(created["id"])["status"] == "cancelled"
    done = client.create("Hello")
    with pytest.raises(client.ERRORS.BadRequestError):
        client.cancel(done["id"])


def test_a_response_that_is_deleted(server, client):
    created = client.create("Hello")
    client.delete(created["id"])
    for call in (client.get, client.cancel, client.delete):
        with pytest.raises(client.ERRORS.NotFoundError):
            call(created["id"])
    assert server.responses == []


@pytest.mark.parametrize("page_size", [1, 3, 100])
def test_the_items_of_an_input(client, page_size):
    created = client.create([{"role": "user", "content": str(n)} for n in range(7)])
    items = client.input_items(created["id"], "asc", page_size)
    assert [item["content"][0]["text"] for item in items] == list("0123456")
    assert client.input_items(created["id"], "desc", page_size) == items[::-1]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": {"code": "server_error", "message": "Oops"}}, "failed"),
        ({"text": "Ye", "reason": "content_filter"}, "incomplete"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "pondering"}, "pondering"),
    ],
    ids=str,
)
def test_an_end_that_is_no_error_of_http(server, client, answer, status):
    server.answer(**answer)
    response = client.create("Hello")
    assert response["status"] == status
    assert response["error"] == answer.get("error")
    assert (response["incomplete_details"] or {}).get("reason") == answer.get("reason")


def test_a_conversation_that_is_not_there(client):
    with pytest.raises(client.ERRORS.NotFoundError) as raised:
        client.create("Hello", "c1")
    assert "Conversation with id 'c1' not found" in str(raised.value)


class Verdict(pydantic.BaseModel):
    mood: str
    score: int
    reasons: list[str]


def test_an_output_that_is_parsed(server, sdk):
    parsed = sdk.responses.parse(model=MODEL, input="Hello", text_format=Verdict).output_parsed
    assert parsed == Verdict(mood="1 message seen; the last says: Hello", score=0, reasons=[])
    server.answer('{"mood": "good", "score": 5, "reasons": ["a"]}')
    parsed = sdk.responses.parse(model=MODEL, input="Hello", text_format=Verdict).output_parsed
    assert parsed == Verdict(mood="good", score=5, reasons=["a"])


def test_an_agent_instead_of_a_model(sdk):
    response = sdk.responses.create(prompt={"id": "fvt1", "variables": {"name": "Ann"}}, input="Hello")
    assert (response.prompt.id, response.output_text) == ("fvt1", "1 message seen; the last says: Hello")


def test_a_tool_that_is_called_and_answered(server, sdk):
    tool = {"type": "function", "name": "look", "parameters": {}, "strict": False}
    server.answer(output=[{"type": "function_call", "call_id": "f1", "name": "look", "arguments": "{}"}])
    called = sdk.responses.create(model=MODEL, input="Look", tools=[tool])
    (call,) = called.output
    assert (call.type, call.name, called.output_text) == ("function_call", "look", "")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "nothing"}
    answered = sdk.responses.create(model=MODEL, previous_response_id=called.id, input=[output])
    assert answered.output_text == "1 message seen; the last says: Look"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"model": "yandexgpt"}, "Failed to parse model URI"),
        ({"model": "gpt://other/yandexgpt"}, "Specified folder ID 'other' does not match"),
        ({"conversation": "c1", "previous_response_id": "r1"}, "cannot be used in conjunction"),
        ({"temperature": 2}, "temperature"),
    ],
    ids=str,
)
def test_what_our_hook_does_not_even_send_is_refused(server, sdk, wrong, text):
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.responses.create(**{"model": MODEL, "input": "Hello", **wrong})
    assert text in str(raised.value)
    assert server.responses == []
