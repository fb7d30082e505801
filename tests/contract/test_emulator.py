"""The emulator's own word, asked over plain HTTP: shapes, limits, faults, control plane, many connections."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from conditions import wait_until

from airflow_provider_yandex_conv.emulator.faults import OPERATIONS
from airflow_provider_yandex_conv.emulator.handlers import ENDPOINTS
from airflow_provider_yandex_conv.emulator.responses import RESPONSE_ENDPOINTS
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.emulator.token_handlers import TOKEN_ENDPOINTS

EVERY_ENDPOINT = (*ENDPOINTS, *RESPONSE_ENDPOINTS, *TOKEN_ENDPOINTS)


@pytest.fixture
def call(emulator):
    """Return a function that asks the emulator: method, path, body -> (status, JSON)."""

    def ask(method, path, body=None, **options):
        answer = requests.request(method, f"{emulator.base_url}{path}", json=body, timeout=5, **options)
        return answer.status_code, answer.json()

    return ask


@pytest.fixture
def thread_of_five(call):
    _, conversation = call("POST", "/conversations", {"items": [{"role": "user", "content": str(n)} for n in range(5)]})
    return conversation["id"]


def texts(page):
    return [item["content"][0]["text"] for item in page["data"]]


def test_a_conversation_has_the_documented_shape(call):
    status, body = call("POST", "/conversations", {"metadata": {"a": "b"}})
    assert status == 200
    assert set(body) == {"id", "object", "created_at", "metadata"}
    assert (body["object"], body["metadata"], type(body["created_at"])) == ("conversation", {"a": "b"}, int)
    assert call("POST", "/conversations")[1]["metadata"] is None
    assert call("GET", f"/conversations/{body['id']}") == (200, body)
    assert call("DELETE", f"/conversations/{body['id']}") == (
        200,
        {"id": body["id"], "object": "conversation.deleted", "deleted": True},
    )
    status, gone = call("GET", f"/conversations/{body['id']}")
    assert (status, set(gone)) == (404, {"code", "message", "param", "type"})


def test_the_items_of_a_deleted_conversation_stay(emulator, call, thread_of_five):
    call("DELETE", f"/conversations/{thread_of_five}")
    assert emulator.conversations == []
    assert [len(one["items"]) for one in emulator.deleted_conversations] == [5]


def test_items_come_in_pages_both_ways(call, thread_of_five):
    path = f"/conversations/{thread_of_five}/items"
    status, newest = call("GET", f"{path}?limit=2")
    assert (status, texts(newest), newest["has_more"]) == (200, ["4", "3"], True)
    assert set(newest) == {"object", "data", "has_more", "first_id", "last_id"}
    _, rest = call("GET", f"{path}?limit=20&after={newest['last_id']}")
    assert (texts(rest), rest["has_more"]) == (["2", "1", "0"], False)
    _, oldest = call("GET", f"{path}?order=asc&limit=3")
    assert (texts(oldest), oldest["has_more"]) == (["0", "1", "2"], True)
    for bad in ("limit=0", "limit=101", "limit=x", "order=up", "after=nothing"):
        assert call("GET", f"{path}?{bad}")[0] == 400


def test_items_are_stored_as_lists_of_parts(call):
    _, conversation = call("POST", "/conversations")
    path = f"/conversations/{conversation['id']}/items"
    status, added = call(
        "POST",
        path,
        {
            "items": [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi"},
                {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
                {"type": "function_call_output", "call_id": "f1", "output": "{}"},
                {"type": "brand_new", "x": 1},
            ]
        },
    )
    assert (status, added["object"], added["has_more"]) == (200, "list", False)
    user, assistant, image, output, new = added["data"]
    assert (user["type"], user["status"], user["content"]) == (
        "message",
        "completed",
        [{"type": "input_text", "text": "Hello"}],
    )
    assert assistant["content"] == [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}]
    assert image["content"] == [{"type": "input_image", "image_url": "u"}]
    assert (output["call_id"], new["x"]) == ("f1", 1)
    assert call("GET", f"{path}/{user['id']}") == (200, user)
    assert call("DELETE", f"{path}/{user['id']}") == (200, conversation)
    assert call("GET", f"{path}/{user['id']}")[0] == 404
    _, copied = call("POST", path, {"items": [{"type": "item_reference", "id": assistant["id"]}]})
    assert copied["data"][0]["content"] == assistant["content"]


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {f"k{n}": "v" for n in range(17)}},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {"k": 1}},
        {"metadata": []},
        {"items": [{"role": "user", "content": "x"}] * 21},
        {"items": [{"role": "pope", "content": "x"}]},
        {"items": [{"content": "x"}]},
        {"items": [{"role": "user", "content": 1}]},
        {"items": ["x"]},
        {"items": "x"},
        {"items": [{"role": [], "content": "x"}]},
        [],
    ],
)
def test_what_the_vendor_does_not_allow_is_refused(emulator, call, body):
    status, error = call("POST", "/conversations", body)
    assert (status, set(error["error"])) == (400, {"message", "type", "param", "code"})
    assert emulator.conversations == []


@pytest.mark.parametrize("body", [b'{"metadata": {"a": "\\ud800"}}', b'{"items": [NaN]}', b"{", b"[" * 100_000])
def test_what_cannot_be_sent_back_is_not_stored(emulator, body):
    assert requests.post(f"{emulator.base_url}/conversations", data=body, timeout=5).status_code == 400
    assert emulator.conversations == []
    control = emulator.base_url.removesuffix("/v1") + "/_emulator"
    assert requests.get(f"{control}/requests", timeout=5).status_code == 200


def test_an_update_without_metadata_and_items_without_items_are_refused(call, thread_of_five):
    assert call("POST", f"/conversations/{thread_of_five}", {})[0] == 400
    assert call("POST", f"/conversations/{thread_of_five}/items", {})[0] == 400


def test_an_unknown_route_gets_an_answer_that_a_person_can_read(emulator, call):
    status, error = call("GET", "/conversations")
    assert status == 405
    status, error = call("GET", "/models?x=1")
    assert status == 404
    assert error["error"]["message"].startswith(
        "The emulator has no route GET /v1/models. It serves: POST /v1/conversations, GET /v1/conversations/"
    )
    assert call("POST", "/conversations/", {}, allow_redirects=False)[0] == 404
    assert [request.operation for request in emulator.requests] == [None, None, None]


def test_a_key_and_a_folder_are_checked():
    with Emulator(api_key="k1", folder_id="f1") as server:

        def status(**headers):
            return requests.post(f"{server.base_url}/conversations", headers=headers, timeout=5).status_code

        assert status() == status(Authorization="Api-Key k2") == status(Authorization="k1") == 401
        assert status(Authorization="Api-Key k1") == status(Authorization="Bearer k1") == 200
        assert status(**{"Authorization": "Bearer k1", "OpenAI-Project": "f1"}) == 200
        assert status(**{"Authorization": "Bearer k1", "OpenAI-Project": "f2"}) == 400
        assert "k1" not in str(server.requests)


def test_an_answer_carries_request_ids_and_echoes_the_clients(emulator):
    answer = requests.post(f"{emulator.base_url}/conversations", headers={"x-client-request-id": "c1"}, timeout=5)
    assert answer.headers["x-client-request-id"] == "c1"
    assert answer.headers["x-request-id"]
    assert answer.headers["x-server-trace-id"].endswith(":1")


def test_a_fault_meets_the_requests_it_is_meant_for(emulator, call):
    emulator.fail("createConversation", status=503, skip=1, times=2)
    assert [call("POST", "/conversations")[0] for _ in range(4)] == [200, 503, 503, 200]
    emulator.fail("*", status=500, times=None)
    assert [call("POST", "/conversations")[0], call("GET", "/conversations/x")[0]] == [500, 500]
    emulator.reset()
    assert call("POST", "/conversations")[0] == 200


def test_what_is_done_late_is_done_after_its_answer(emulator, call):
    emulator.fail("createConversation", status=504, late=0.2)
    assert call("POST", "/conversations", {"metadata": {"a": "b"}})[0] == 504
    assert emulator.conversations == []
    wait_until(lambda: emulator.conversations, seconds=10)
    assert [one["metadata"] for one in emulator.conversations] == [{"a": "b"}]


@pytest.mark.parametrize(("hold", "there_meanwhile"), [("before", 0), ("after", 1)])
def test_a_request_is_held_until_it_is_let_go(emulator, call, hold, there_meanwhile):
    emulator.fail("createConversation", hold=hold)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, "POST", "/conversations")
        wait_until(lambda: emulator.held, seconds=10)
        assert [(one.operation, one.status) for one in emulator.held] == [("createConversation", None)]
        assert len(emulator.conversations) == there_meanwhile
        assert call("POST", "/conversations")[0] == 200  # the next is not
        assert not asked.done()
        emulator.release()
        assert asked.result()[0] == 200
    assert emulator.held == []
    assert len(emulator.conversations) == 2


def test_a_held_request_does_not_outlive_a_reset(emulator, call):
    emulator.fail("createConversation", hold="before", drop="close")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, "POST", "/conversations")
        wait_until(lambda: emulator.held, seconds=10)
        emulator.reset()
        with pytest.raises(requests.ConnectionError):
            asked.result()
    assert emulator.conversations == []


def test_what_is_done_late_does_not_outlive_a_reset(emulator, call):
    emulator.fail("createConversation", status=504, late=0.05)
    call("POST", "/conversations")
    emulator.reset()
    emulator.fail("createConversation", status=504, late=0.1)
    call("POST", "/conversations", {"metadata": {"a": "b"}})
    wait_until(lambda: emulator.conversations, seconds=10)
    assert [one["metadata"] for one in emulator.conversations] == [{"a": "b"}]


def test_quotas_refuse_what_is_beyond_them(emulator):
    def create(_):
        return requests.post(f"{emulator.base_url}/conversations", timeout=5)

    emulator.limit(in_flight=2)
    emulator.fail("createConversation", delay=0.5, times=None)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(create, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
    emulator.reset()
    emulator.limit(per_second=3)
    assert [create(None).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_control_plane_serves_tests_in_other_processes(emulator):
    control = emulator.base_url.removesuffix("/v1") + "/_emulator"

    def create():
        return requests.post(f"{emulator.base_url}/conversations", json={"metadata": {"a": "b"}}, timeout=5)

    assert requests.post(f"{control}/faults", json={"status": 503, "times": 1}, timeout=5).status_code == 204
    assert [create().status_code, create().status_code] == [503, 200]
    state = requests.get(f"{control}/state", timeout=5).json()
    assert [one["metadata"] for one in state["conversations"]] == [{"a": "b"}]
    assert [one["status"] for one in requests.get(f"{control}/requests", timeout=5).json()] == [503, 200]
    assert requests.put(f"{control}/quotas", json={"per_second": 1}, timeout=5).status_code == 204
    assert [create().status_code, create().status_code][-1] == 429
    for bad in (
        {"stattus": 503},
        {"shape": "round"},
        {"drop": "hard"},
        {"hold": "tight"},
        {"operation": "create"},
        {"times": "two"},
        {"status": True},
        {"status": 99},
        {"headers": {"x": 1}},
        [],
    ):
        assert requests.post(f"{control}/faults", json=bad, timeout=5).status_code == 400
    assert requests.put(f"{control}/quotas", json={"x": 1}, timeout=5).status_code == 400
    assert requests.put(f"{control}/quotas", json={"in_flight": "x"}, timeout=5).status_code == 400
    requests.post(f"{control}/faults", json={"operation": "createConversation", "hold": "before"}, timeout=5)
    requests.put(f"{control}/quotas", json={}, timeout=5)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(create)
        wait_until(lambda: requests.get(f"{control}/held", timeout=5).json(), seconds=10)
        assert requests.post(f"{control}/release", timeout=5).status_code == 204
        assert asked.result().status_code == 200
    assert requests.post(f"{control}/reset", timeout=5).status_code == 204
    assert requests.get(f"{control}/state", timeout=5).json() == {
        "conversations": [],
        "deleted": [],
        "responses": [],
        "deleted_responses": [],
    }


def test_a_fault_knows_every_operation_of_the_vendor():
    assert tuple(endpoint.operation for endpoint in EVERY_ENDPOINT) == OPERATIONS


def test_a_hundred_connections_are_served_at_once(emulator):
    together = threading.Barrier(100)

    def create(_):
        together.wait(20)
        return requests.post(f"{emulator.base_url}/conversations", timeout=20).json()["id"]

    emulator.fail("createConversation", delay=0.3, times=None)
    with ThreadPoolExecutor(100) as pool:
        ids = set(pool.map(create, range(100)))
    assert ids == {one["id"] for one in emulator.conversations}
    assert len(ids) == 100


@pytest.fixture
def command():
    """The emulator as a process of its own, as (base URL, process)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_yandex_conv.emulator", "--port", "0", "--api-key", "k1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process.stdout.readline().strip(), process
    process.kill()
    process.communicate()


def test_the_command_prints_its_base_url_first_and_ends_when_told(command):
    base_url, process = command
    assert requests.post(f"{base_url}/conversations", timeout=5).status_code == 401
    created = requests.post(f"{base_url}/conversations", headers={"Authorization": "Bearer k1"}, timeout=5)
    assert json.loads(created.text)["object"] == "conversation"
    process.terminate()
    assert process.wait(10) in {0, -15}


def test_the_command_ends_without_a_traceback_when_a_person_stops_it(command):
    base_url, process = command
    assert requests.post(f"{base_url}/conversations", timeout=5).status_code == 401
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.stderr.read() == ""


def test_a_port_in_use_is_said_in_a_line(emulator):
    ended = subprocess.run(
        [sys.executable, "-m", "airflow_provider_yandex_conv.emulator", "--port", str(emulator.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == f"port {emulator.port}: Address already in use\n"
