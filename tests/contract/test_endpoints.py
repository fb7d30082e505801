"""Every endpoint has a documented sample, a call that reads it, an emulated route and a place in the fault tables."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import requests

from airflow_provider_yandex_conv.api import conversations, items
from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.emulator.handlers import ENDPOINTS
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
}


def test_no_endpoint_is_left_out():
    operations = {endpoint.operation for endpoint in ENDPOINTS}
    assert len(operations) == 8
    assert operations == set(SAMPLES) == set(BUILT) == set(CALLS) == {*REPEATABLE, *CREATING}
    builders = [
        function
        for module in (conversations, items)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and str(function.__annotations__["return"]).startswith("Call[")
    ]
    assert len(builders) == len(ENDPOINTS)


@pytest.mark.parametrize("operation", SAMPLES)
def test_a_call_sends_what_is_documented_and_reads_what_is_answered(operation):
    sample, call = SAMPLES[operation], BUILT[operation]
    assert (call.request.method, f"/{call.request.path}") == (sample["method"], sample["path"])
    assert call.request.body == sample["request"]
    answer = Response(status=200, headers={}, body=json.dumps(sample["answer"]).encode(), received_at=0.0)
    assert call.parse(answer)


@pytest.mark.parametrize("operation", SAMPLES)
def test_the_emulator_answers_in_the_documented_shape(emulator, operation):
    create = {"items": [{"role": "user", "content": "Hello!"}]}
    conversation = requests.post(f"{emulator.base_url}/conversations", json=create, timeout=5).json()
    (item,) = emulator.conversations[0]["items"]
    sample = SAMPLES[operation]
    path = sample["path"].replace("conv_123", conversation["id"]).replace("msg_abc", item["id"])
    answer = requests.request(sample["method"], emulator.base_url + path, json=sample["request"], timeout=5).json()
    assert shape(answer) == shape(sample["answer"])
    assert emulator.requests[-1].operation == operation


def shape(value):
    """Return the keys and types of a JSON value; metadata may be null or an object anywhere."""
    if isinstance(value, dict):
        return {key: "object or null" if key == "metadata" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)
