"""Every endpoint has a documented sample, a call that reads it, an emulated route and a place in the fault tables."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
import requests

from airflow_provider_yandex_conv.api import conversations, items, responses
from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.emulator.handlers import ENDPOINTS
from airflow_provider_yandex_conv.emulator.responses import RESPONSE_ENDPOINTS
from call_table import CALLS, CREATING, REPEATABLE

SAMPLES = {
    file.stem: json.loads(file.read_text()) for file in (Path(__file__).parent.parent / "samples").glob("*.json")
}
#: How the call of each endpoint is built.
BUILT = {
    "createConversation": conversations.create(
        metadata={"topic": "demo"}, items=[{"type": "message", "role": "user", "content": "Hello!"}]
    ),
    "getConversation": conversations.get("conv_123"),
    "updateConversation": conversations.update("conv_123", metadata={"topic": "demo"}),
    "deleteConversation": conversations.delete("conv_123"),
    "createConversationItems": items.create(
        "conv_123", [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}]
    ),
    "listConversationItems": items.list_page("conv_123"),
    "getConversationItem": items.get("conv_123", "msg_abc"),
    "deleteConversationItem": items.delete("conv_123", "msg_abc"),
    "createResponse": responses.create("Hello!", model="gpt://b1g/yandexgpt", conversation_id="conv_123"),
    "getResponse": responses.get("resp_123"),
    "cancelResponse": responses.cancel("resp_456"),
    "deleteResponse": responses.delete("resp_123"),
    "listInputItems": responses.input_items("resp_123"),
}


def test_no_endpoint_is_left_out():
    operations = {endpoint.operation for endpoint in (*ENDPOINTS, *RESPONSE_ENDPOINTS)}
    assert len(operations) == 13
    assert operations == set(SAMPLES) == set(BUILT) == set(CALLS) == {*REPEATABLE, *CREATING}
    builders = [
        function
        for module in (conversations, items, responses)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and str(function.__annotations__["return"]).startswith("Call[")
    ]
    assert len(builders) == len(operations)


@pytest.mark.parametrize("operation", SAMPLES)
def test_a_call_sends_what_is_documented_and_reads_what_is_answered(operation):
    sample, call = SAMPLES[operation], BUILT[operation]
    assert (call.request.method, f"/{call.request.path}") == (sample["method"], sample["path"])
    assert call.request.body == sample["request"]
    answer = Response(status=200, headers={}, body=json.dumps(sample["answer"]).encode(), received_at=0.0)
    assert call.parse(answer)


def real_ids(emulator):
    """Store what the samples speak of; return its ids by theirs."""

    def create(path, body):
        return requests.post(f"{emulator.base_url}/{path}", json=body, timeout=5).json()["id"]

    other = create("conversations", {})
    conversation_id = create("conversations", {"items": [{"role": "user", "content": "Hello!"}]})
    (item,) = emulator.conversations[1]["items"]
    body = {"model": "gpt://b1g/yandexgpt", "input": "Hello!"}
    done = create("responses", {**body, "conversation": other})
    emulator.answer(hold=True)
    under_way = create("responses", {**body, "background": True})
    return {"conv_123": conversation_id, "msg_abc": item["id"], "resp_123": done, "resp_456": under_way}


@pytest.mark.parametrize("operation", SAMPLES)
def test_the_emulator_answers_in_the_documented_shape(emulator, operation):
    sample = SAMPLES[operation]
    ids = real_ids(emulator)

    def real(value):
        return json.loads(re.sub(r"\b(conv|msg|resp)_\w+", lambda found: ids[found[0]], json.dumps(value)))

    url = emulator.base_url + real(sample["path"])
    answer = requests.request(sample["method"], url, json=real(sample["request"]), timeout=5).json()
    assert shape(answer) == shape(sample["answer"])
    assert emulator.requests[-1].operation == operation


def shape(value):
    """Return the keys and types of a JSON value; metadata may be null or an object anywhere."""
    if isinstance(value, dict):
        return {key: "object or null" if key == "metadata" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)
