"""
The emulator against a client that is not ours: each endpoint used by our hook and by the official ``openai`` SDK.

Where the SDK and the emulator disagree, the emulator is wrong.
"""

from __future__ import annotations

import json

import openai
import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

KEY, FOLDER = "AQVN-planted-6", "b1g"


class OurHook:
    """The endpoints as our hook offers them; everything is returned as the server sent it."""

    ERRORS = errors

    def __init__(self, server, monkeypatch, key, folder):
        extra = {"folder_id": folder, "retry_attempts": 1}
        fields = {"conn_type": "yandex_ai_studio", "host": server.base_url, "password": key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", json.dumps(fields))
        self._hook = YandexAIStudioHook()

    def create(self, **body):
        return dict(self._hook.create_conversation(**body).raw)

    def get(self, conversation_id):
        return dict(self._hook.get_conversation(conversation_id).raw)

    def update(self, conversation_id, metadata):
        return dict(self._hook.update_conversation(conversation_id, metadata=metadata).raw)

    def delete(self, conversation_id):
        return self._hook.delete_conversation(conversation_id)

    def add(self, conversation_id, items):
        return [dict(item.raw) for item in self._hook.add_items(conversation_id, items)]

    def items(self, conversation_id, order, page_size, after=None):
        listed = self._hook.list_items(conversation_id, order=order, page_size=page_size, after=after)
        return [dict(item.raw) for item in listed]

    def get_item(self, conversation_id, item_id):
        return dict(self._hook.get_item(conversation_id, item_id).raw)

    def delete_item(self, conversation_id, item_id):
        return self._hook.delete_item(conversation_id, item_id)


class OpenAISDK:
    """The endpoints as the official SDK offers them, in the same words."""

    ERRORS = openai

    def __init__(self, server, monkeypatch, key, folder):
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_PROJECT_ID", "OPENAI_ORG_ID"):
            monkeypatch.delenv(name, raising=False)
        self._api = openai.OpenAI(api_key=key, base_url=server.base_url, project=folder, max_retries=0).conversations

    def create(self, **body):
        return self._api.create(**body).to_dict()

    def get(self, conversation_id):
        return self._api.retrieve(conversation_id).to_dict()

    def update(self, conversation_id, metadata):
        return self._api.update(conversation_id, metadata=metadata).to_dict()

    def delete(self, conversation_id):
        answer = self._api.delete(conversation_id)
        assert (answer.id, answer.object) == (conversation_id, "conversation.deleted")
        return answer.deleted

    def add(self, conversation_id, items):
        return [item.to_dict() for item in self._api.items.create(conversation_id, items=items).data]

    def items(self, conversation_id, order, page_size, after=None):
        options = {} if after is None else {"after": after}
        listed = self._api.items.list(conversation_id, order=order, limit=page_size, **options)
        return [item.to_dict() for item in listed]

    def get_item(self, conversation_id, item_id):
        return self._api.items.retrieve(item_id, conversation_id=conversation_id).to_dict()

    def delete_item(self, conversation_id, item_id):
        return self._api.items.delete(item_id, conversation_id=conversation_id).id == conversation_id


@pytest.fixture(scope="module")
def server():
    with Emulator(api_key=KEY, folder_id=FOLDER) as emulator:
        yield emulator


@pytest.fixture(params=[OurHook, OpenAISDK], ids=["hook", "openai"])
def make(request, server, monkeypatch):
    """Return a function that makes a client with a key and a folder."""
    server.reset()

    return lambda key=KEY, folder=FOLDER: request.param(server, monkeypatch, key, folder)


@pytest.fixture
def client(make):
    return make()


def said(*texts, role="user"):
    return [{"role": role, "content": text, "type": "message"} for text in texts]


def test_the_life_of_a_conversation(server, client):
    created = client.create(metadata={"a": "b"}, items=said("Hello"))
    assert (created["object"], created["metadata"]) == ("conversation", {"a": "b"})
    assert client.get(created["id"]) == created
    assert client.update(created["id"], {"c": "d"}) == {**created, "metadata": {"c": "d"}}
    assert client.delete(created["id"]) is True
    with pytest.raises(client.ERRORS.NotFoundError):
        client.get(created["id"])
    assert [request.operation for request in server.requests[:4]] == [
        "createConversation",
        "getConversation",
        "updateConversation",
        "deleteConversation",
    ]


def test_a_conversation_of_nothing(server, client):
    created = client.create()
    assert client.items(created["id"], "asc", 100) == []
    assert server.requests[0].body == {}


def test_the_life_of_items(server, client):
    conversation_id = client.create()["id"]
    added = client.add(
        conversation_id,
        [
            *said("Hello"),
            *said("Hi", role="assistant"),
            {"type": "function_call_output", "call_id": "c1", "output": "{}"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "two"}] * 2},
        ],
    )
    assert [item["type"] for item in added] == ["message", "message", "function_call_output", "message"]
    assert added[0]["content"] == [{"type": "input_text", "text": "Hello"}]
    assert added[1]["content"][0]["type"] == "output_text"
    assert [item["status"] for item in added] == ["completed"] * 4
    assert client.items(conversation_id, "asc", 100) == added
    for item in added:
        assert client.get_item(conversation_id, item["id"]) == item
    assert client.delete_item(conversation_id, added[0]["id"])
    assert client.items(conversation_id, "asc", 100) == added[1:]
    with pytest.raises(client.ERRORS.NotFoundError):
        client.get_item(conversation_id, added[0]["id"])


@pytest.mark.parametrize("page_size", [1, 3, 7, 100])
def test_paging_both_ways(client, page_size):
    conversation_id = client.create()["id"]
    added = client.add(conversation_id, said(*map(str, range(7))))
    assert client.items(conversation_id, "asc", page_size) == added
    assert client.items(conversation_id, "desc", page_size) == added[::-1]
    assert client.items(conversation_id, "asc", page_size, after=added[2]["id"]) == added[3:]
    assert client.items(conversation_id, "desc", page_size, after=added[2]["id"]) == added[1::-1]


def test_an_id_is_opaque(client):
    with pytest.raises(client.ERRORS.NotFoundError) as raised:
        client.get("a b ä")
    assert "a b ä" in str(raised.value)


@pytest.mark.parametrize(
    ("key", "folder", "kind", "text"),
    [
        ("AQVN-wrong", FOLDER, "AuthenticationError", "Unknown api key"),
        (KEY, "other", "BadRequestError", "Specified folder ID 'other' does not match"),
    ],
)
def test_a_credential_or_folder_that_is_refused(make, key, folder, kind, text):
    client = make(key, folder)
    with pytest.raises(getattr(client.ERRORS, kind)) as raised:
        client.create()
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
@pytest.mark.parametrize("shape", ["openai", "rpc_status", "grpc", "flat"])
def test_errors_have_the_same_names_and_texts(server, client, status, kind, shape):
    server.fail("getConversation", status=status, shape=shape, message="because", times=None)
    with pytest.raises(getattr(client.ERRORS, kind)) as raised:
        client.get("c1")
    assert "because" in str(raised.value)


def test_the_limits_of_the_vendor_are_those_of_the_emulator(server):
    """Our hook refuses by itself what is beyond them, so only the SDK gets there."""
    api = openai.OpenAI(api_key=KEY, base_url=server.base_url, project=FOLDER, max_retries=0).conversations
    conversation_id = api.create(metadata={"k" * 64: "v" * 512, **{f"k{n}": "" for n in range(15)}}).id
    assert len(api.items.create(conversation_id, items=said(*map(str, range(20)))).data) == 20
    for metadata in ({f"k{n}": "" for n in range(17)}, {"k" * 65: ""}, {"k": "v" * 513}):
        with pytest.raises(openai.BadRequestError):
            api.create(metadata=metadata)
    with pytest.raises(openai.BadRequestError):
        api.create(items=said(*map(str, range(21))))
    with pytest.raises(openai.BadRequestError):
        api.items.create(conversation_id, items=said(*map(str, range(21))))
    for bad in ({"limit": 101}, {"limit": 0}, {"order": "up"}, {"after": "nothing"}):
        with pytest.raises(openai.BadRequestError):
            api.items.list(conversation_id, **bad)
