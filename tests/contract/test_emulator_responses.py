"""The emulator's responses, asked over plain HTTP: what is stored, billed and added to a conversation, and when."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
import requests
from conditions import wait_until

from airflow_provider_yandex_conv.emulator.server import Emulator

MODEL = "gpt://b1g/yandexgpt"


@pytest.fixture
def call(emulator):
    """Return a function that asks the emulator: method, path, body -> (status, JSON)."""

    def ask(method, path, body=None):
        answer = requests.request(method, f"{emulator.base_url}{path}", json=body, timeout=5)
        return answer.status_code, answer.json()

    return ask


@pytest.fixture
def create(call):
    """Return a function that creates a response, which must be accepted."""

    def respond(**body):
        status, answer = call("POST", "/responses", {"model": MODEL, "input": "Hello", **body})
        assert status == 200, answer
        return answer

    return respond


@pytest.fixture
def conversation_id(call):
    return call("POST", "/conversations", {"items": [{"role": "system", "content": "Be brief"}]})[1]["id"]


def text(response):
    return response["output"][0]["content"][0]["text"]


def turns(emulator):
    (conversation,) = emulator.conversations
    return [(item["role"], item["content"][0].get("text")) for item in conversation["items"]]


def statuses(emulator):
    return [response["status"] for response in emulator.responses]


def test_the_model_says_how_many_messages_it_saw_and_the_turn_is_added(emulator, create, conversation_id):
    first = create(conversation=conversation_id)
    second = create(conversation={"id": conversation_id}, input=[{"role": "user", "content": "And now?"}])
    assert text(first) == "2 messages seen; the last says: Hello"
    assert text(second) == "4 messages seen; the last says: And now?"
    assert first["conversation"] == second["conversation"] == {"id": conversation_id}
    assert turns(emulator) == [
        ("system", "Be brief"),
        ("user", "Hello"),
        ("assistant", text(first)),
        ("user", "And now?"),
        ("assistant", text(second)),
    ]
    (conversation,) = emulator.conversations
    assert conversation["items"][2] == first["output"][0]


def test_usage_counts_words(create, conversation_id):
    usage = create(conversation=conversation_id, instructions="Say it")["usage"]
    assert usage == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }


def test_a_response_goes_on_from_the_one_before(call, create):
    first = create()
    second = create(previous_response_id=first["id"], input="More")
    third = create(previous_response_id=second["id"], input="Even more")
    assert text(third) == "5 messages seen; the last says: Even more"
    status, error = call("POST", "/responses", {"model": MODEL, "input": "x", "previous_response_id": "r0"})
    assert (status, error["error"]["code"]) == (400, "previous_response_not_found")


def test_a_response_in_the_background_ends_by_itself(emulator, call, create, conversation_id):
    emulator.answer("Done", hold=True)
    created = create(conversation=conversation_id, background=True)
    assert (created["status"], created["output"], created["usage"]) == ("queued", [], None)
    path = f"/responses/{created['id']}"
    wait_until(lambda: call("GET", path)[1]["status"] == "in_progress", seconds=10)
    assert turns(emulator) == [("system", "Be brief")]
    wait_until(lambda: emulator.responses_held, seconds=10)
    emulator.release()
    wait_until(lambda: call("GET", path)[1]["status"] == "completed", seconds=10)
    assert text(call("GET", path)[1]) == "Done"
    assert turns(emulator)[1:] == [("user", "Hello"), ("assistant", "Done")]


def test_a_response_in_the_background_needs_nobody_who_asks(emulator, create):
    create(background=True)
    assert statuses(emulator)[0] in {"queued", "in_progress"}
    wait_until(lambda: statuses(emulator) == ["completed"], seconds=10)


def test_a_response_can_be_cancelled_as_long_as_it_is_under_way(emulator, call, create, conversation_id):
    emulator.answer("Too late", hold=True)
    created = create(conversation=conversation_id, background=True)
    wait_until(lambda: emulator.responses_held == [created["id"]], seconds=10)
    status, cancelled = call("POST", f"/responses/{created['id']}/cancel")
    assert (status, cancelled["status"], cancelled["usage"]) == (200, "cancelled", None)
    emulator.release()
    assert call("POST", f"/responses/{created['id']}/cancel") == (200, cancelled)
    ended = create(background=True, input="Another")
    wait_until(lambda: call("GET", f"/responses/{ended['id']}")[1]["status"] == "completed", seconds=10)
    assert call("POST", f"/responses/{ended['id']}/cancel")[1]["status"] == "completed"
    assert statuses(emulator) == ["cancelled", "completed"]
    assert turns(emulator) == [("system", "Be brief")]


def test_only_what_is_in_the_background_can_be_cancelled(call, create):
    assert call("POST", f"/responses/{create()['id']}/cancel")[0] == 400


@pytest.mark.parametrize(
    ("answer", "status", "billed", "added"),
    [
        ({"text": "Yes"}, "completed", True, 2),
        ({"refusal": "I cannot"}, "completed", True, 2),
        ({"text": "Ye", "reason": "max_output_tokens"}, "incomplete", True, 2),
        ({"error": {"code": "server_error", "message": "Oops"}}, "failed", False, 0),
        ({"error": {"code": "server_error", "message": "Oops"}, "usage": {"total_tokens": 7}}, "failed", True, 0),
        ({"status": "cancelled"}, "cancelled", False, 0),
        ({"status": "cancelled", "appends": True}, "cancelled", False, 1),
        ({"status": "pondering"}, "pondering", False, 0),
        ({"text": "Yes", "appends": False}, "completed", True, 0),
    ],
    ids=str,
)
def test_a_response_ends_as_scripted_and_its_http_status_is_200(
    emulator, create, conversation_id, answer, status, billed, added
):
    emulator.answer(**answer)
    response = create(conversation=conversation_id)
    assert response["status"] == status
    assert response["error"] == answer.get("error")
    assert (response["incomplete_details"] or {}).get("reason") == answer.get("reason")
    assert bool(response["usage"]) is billed
    assert len(turns(emulator)) == 1 + added


def test_a_refusal_and_a_tool_call_are_output(emulator, create):
    emulator.answer(refusal="I cannot")
    assert create()["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot"}]
    emulator.answer(output=[{"type": "function_call", "call_id": "f1", "name": "look", "arguments": "{}"}])
    (called,) = create()["output"]
    assert (called["name"], called["status"], called["id"].startswith("function_call_")) == ("look", "completed", True)


def test_an_answer_is_for_the_message_that_it_names_and_is_given_so_often(emulator, create):
    emulator.answer("A", to="apples", times=2)
    emulator.answer("B", to="pears", times=None)
    asked = ["pears?", "apples?", "apples?", "apples?", "pears?"]
    given = [text(create(input=one)) for one in asked]
    assert given == ["B", "A", "A", "1 message seen; the last says: apples?", "B"]


def test_the_first_reads_tell_the_statuses_of_the_script(emulator, call, create):
    emulator.answer("Done", reads=["queued", "pondering"])
    path = f"/responses/{create()['id']}"
    read = [call("GET", path)[1] for _ in range(4)]
    assert [one["status"] for one in read] == ["queued", "pondering", "completed", "completed"]
    assert [bool(one["usage"]) for one in read] == [False, False, True, True]


def test_a_response_takes_its_time(emulator, create):
    emulator.answer("Slow", delay=0.2)
    began = time.monotonic()
    assert text(create()) == "Slow"
    assert time.monotonic() - began >= 0.2


def test_a_response_goes_on_when_the_client_has_gone(emulator, create, conversation_id):
    emulator.answer("Slow", delay=0.5)
    with pytest.raises(requests.Timeout):
        requests.post(
            f"{emulator.base_url}/responses",
            json={"model": MODEL, "input": "Hello", "conversation": conversation_id},
            timeout=0.1,
        )
    wait_until(lambda: statuses(emulator) == ["completed"], seconds=10)
    assert turns(emulator)[1:] == [("user", "Hello"), ("assistant", "Slow")]


def test_a_held_response_does_not_outlive_a_reset(emulator, create):
    emulator.answer("Never", hold=True)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(create)
        wait_until(lambda: emulator.responses_held, seconds=10)
        emulator.reset()
        assert asked.result()["status"] == "in_progress"
    assert emulator.responses == []


def test_a_response_that_is_not_stored_is_billed_and_cannot_be_read(emulator, call, create):
    response = create(store=False)
    assert response["usage"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        assert call(method, f"/responses/{response['id']}{path}")[0] == 404
    assert [(one["id"], one["store"]) for one in emulator.responses] == [(response["id"], False)]


def test_a_deleted_response_is_gone_and_its_items_stay(emulator, call, create, conversation_id):
    response = create(conversation=conversation_id)
    path = f"/responses/{response['id']}"
    assert call("GET", path) == (200, response)
    assert call("DELETE", path) == (200, {"id": response["id"], "object": "response", "deleted": True})
    status, gone = call("GET", path)
    assert (status, set(gone)) == (404, {"code", "message", "param", "type"})
    assert emulator.responses == []
    assert [one["id"] for one in emulator.deleted_responses] == [response["id"]]
    assert len(turns(emulator)) == 3


def test_input_items_come_in_pages(call, create):
    response = create(input=[{"role": "user", "content": str(n)} for n in range(25)])
    path = f"/responses/{response['id']}/input_items"
    status, newest = call("GET", f"{path}?limit=2")
    assert (status, [item["content"][0]["text"] for item in newest["data"]]) == (200, ["24", "23"])
    assert newest["has_more"] is True
    _, rest = call("GET", f"{path}?order=asc&limit=100")
    assert (len(rest["data"]), rest["has_more"]) == (25, False)
    assert call("GET", f"{path}?after=nothing")[0] == 400


SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad"]},
        "score": {"type": "integer", "minimum": 1},
        "ratio": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "who": {"$ref": "#/$defs/Person"},
        "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Person"}]},
        "note": {"type": ["string", "null"], "maxLength": 5},
    },
    "required": ["mood", "score", "ratio", "sure", "tags", "who", "next", "note"],
    "additionalProperties": False,
    "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


def test_an_output_keeps_to_the_schema_that_is_asked_for(create):
    text_format = {"type": "json_schema", "name": "verdict", "schema": SCHEMA, "strict": True}
    response = create(text={"format": text_format})
    value = json.loads(text(response))
    jsonschema.validate(value, SCHEMA)
    assert value["who"] == {"name": "1 message seen; the last says: Hello"}
    assert response["text"] == {"format": text_format}


def test_an_output_is_json_where_that_is_asked_for(create):
    assert text(create(text={"format": {"type": "json_object"}})) == '{"echo": "1 message seen; the last says: Hello"}'


def test_an_output_ends_at_its_limit(create):
    response = create(input="word " * 30, max_output_tokens=16)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["usage"]["output_tokens"] == 16
    assert response["output"][0]["status"] == "incomplete"


def test_an_agent_needs_no_model(create):
    prompt = {"id": "fvt1", "variables": {"a": "b"}}
    assert create(model=None, prompt=prompt)["prompt"] == prompt


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": None}, "Missing required parameter: 'model'"),
        ({"model": "yandexgpt"}, "Failed to parse model URI"),
        ({"prompt": {}}, "prompt.id"),
        ({"input": 7}, "Invalid type for 'input'"),
        ({"input": [{"role": "pope", "content": "x"}]}, "input[0].role"),
        ({"temperature": 1.5}, "temperature"),
        ({"max_output_tokens": 15}, "max_output_tokens"),
        ({"background": "yes"}, "background"),
        ({"background": True, "store": False}, "store"),
        ({"conversation": "c1", "previous_response_id": "r1"}, "previous_response_id"),
        ({"conversation": 7}, "conversation"),
        ({"stream": True}, "stream"),
        ({"text": {"format": {"type": "poem"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"$ref": "#/$defs/x"}}}}, "#/$defs/x"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"$ref": "#"}}}}, "50 deep"),
    ],
    ids=str,
)
def test_what_the_vendor_does_not_allow_is_refused_and_not_billed(emulator, call, body, text):
    status, error = call("POST", "/responses", {"model": MODEL, "input": "x", **body})
    assert status == 400
    assert text in str(error)
    assert emulator.responses == []


def test_a_conversation_that_is_not_there_is_not_found(emulator, call):
    assert call("POST", "/responses", {"model": MODEL, "input": "x", "conversation": "c1"})[0] == 404
    assert emulator.responses == []


def test_a_model_is_of_the_folder():
    with Emulator(folder_id="b1g") as server:

        def status(model):
            body = {"model": model, "input": "x"}
            return requests.post(f"{server.base_url}/responses", json=body, timeout=5).status_code

        assert [status("gpt://b1g/yandexgpt/rc"), status("gpt://other/yandexgpt")] == [200, 400]


def test_answers_are_scripted_from_other_processes_as_well(emulator, call, create):
    control = emulator.base_url.removesuffix("/v1") + "/_emulator"
    script = {"text": "Done", "hold": True, "times": 1}
    assert requests.post(f"{control}/answers", json=script, timeout=5).status_code == 204
    created = create(background=True)
    wait_until(lambda: emulator.responses_held, seconds=10)
    requests.post(f"{control}/release", timeout=5)
    wait_until(
        lambda: requests.get(f"{control}/state", timeout=5).json()["responses"][0]["status"] == "completed", seconds=10
    )
    (stored,) = requests.get(f"{control}/state", timeout=5).json()["responses"]
    assert (stored["id"], text(stored), len(stored["input"])) == (created["id"], "Done", 1)
    for bad in (
        {"txt": "x"},
        {"text": 1},
        {"times": "two"},
        {"times": True},
        {"hold": "yes"},
        {"hold": None},
        {"output": [{}]},
        {"reads": None},
        [],
    ):
        assert requests.post(f"{control}/answers", json=bad, timeout=5).status_code == 400
