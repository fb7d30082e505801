"""
The emulator's responses against a client that is not ours, the official ``openai`` SDK.

Where the SDK and the emulator disagree, the emulator is wrong.
"""

from __future__ import annotations

import time

import openai
import pydantic
import pytest

from airflow_provider_yandex_conv.emulator.server import Emulator

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


def ended(sdk, response_id):
    until = time.monotonic() + 10
    while (response := sdk.responses.retrieve(response_id)).status in {"queued", "in_progress"}:
        assert time.monotonic() < until
        time.sleep(0.01)
    return response


def test_a_turn_in_a_conversation(server, sdk):
    conversation = sdk.conversations.create()
    response = sdk.responses.create(model=MODEL, input="Hello", conversation=conversation.id)
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.output_text == "1 message seen; the last says: Hello"
    assert response.conversation.id == conversation.id
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (1, 7, 8)
    items = sdk.conversations.items.list(conversation.id, order="asc").data
    assert [(item.role, item.content[0].text) for item in items] == [
        ("user", "Hello"),
        ("assistant", response.output_text),
    ]
    assert sdk.responses.retrieve(response.id).to_dict() == response.to_dict()


def test_a_chain_of_responses_without_a_conversation(sdk):
    first = sdk.responses.create(model=MODEL, input="Hello")
    second = sdk.responses.create(model=MODEL, input="More", previous_response_id=first.id)
    assert second.output_text == "3 messages seen; the last says: More"
    assert second.previous_response_id == first.id


def test_a_response_in_the_background(sdk):
    created = sdk.responses.create(model=MODEL, input="Hello", background=True)
    assert created.status == "queued"
    assert ended(sdk, created.id).output_text == "1 message seen; the last says: Hello"


def test_a_response_that_is_cancelled(server, sdk):
    server.answer(hold=True)
    created = sdk.responses.create(model=MODEL, input="Hello", background=True)
    assert sdk.responses.cancel(created.id).status == "cancelled"
    assert sdk.responses.retrieve(created.id).status == "cancelled"
    done = sdk.responses.create(model=MODEL, input="Hello")
    with pytest.raises(openai.BadRequestError):
        sdk.responses.cancel(done.id)


def test_a_response_that_is_deleted(sdk):
    created = sdk.responses.create(model=MODEL, input="Hello")
    assert sdk.responses.delete(created.id) is None
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(created.id)


def test_the_items_of_an_input(sdk):
    asked = [{"role": "user", "content": str(n)} for n in range(7)]
    created = sdk.responses.create(model=MODEL, input=asked)
    items = list(sdk.responses.input_items.list(created.id, order="asc", limit=3))
    assert [item.content[0].text for item in items] == list("0123456")


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
    ("answer", "status"),
    [
        ({"error": {"code": "server_error", "message": "Oops"}}, "failed"),
        ({"text": "Ye", "reason": "content_filter"}, "incomplete"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "pondering"}, "pondering"),
    ],
    ids=str,
)
def test_a_status_that_the_sdk_does_not_raise_for(server, sdk, answer, status):
    server.answer(**answer)
    response = sdk.responses.create(model=MODEL, input="Hello")
    assert response.status == status
    assert (response.error.message if response.error else None) == answer.get("error", {}).get("message")
    assert (response.incomplete_details and response.incomplete_details.reason) == answer.get("reason")


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
def test_what_is_refused(server, sdk, wrong, text):
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.responses.create(**{"model": MODEL, "input": "Hello", **wrong})
    assert text in str(raised.value)
    assert server.responses == []
