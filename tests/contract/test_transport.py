"""How a request travels: connections that fail, traps of the HTTP library, certificates, headers."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import traceback
from contextlib import suppress

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.secret import Secret
from call_table import CALLS
from servers import serving

KEY = "AQVN-planted-2"


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def assert_never_sent(client, call, kind):
    """A call of any kind is tried four times, as nothing of it left."""
    with pytest.raises(kind) as raised:
        client.send(call)
    assert type(raised.value) is kind
    assert raised.value.applied is False
    assert "Nothing was sent" in str(raised.value)
    assert "Gave up after 4 of 4 attempts" in str(raised.value)


@every_call
def test_a_refused_connection_is_tried_again(make_client, free_port, call):
    client = make_client(base_url=f"http://127.0.0.1:{free_port}/v1")
    assert_never_sent(client, call, errors.APIConnectionError)


def test_a_call_made_while_another_error_is_handled_says_its_own_reason(make_client, free_port):
    client = make_client(base_url=f"http://127.0.0.1:{free_port}/v1")
    try:
        raise KeyError("no such variable")  # noqa: TRY301  # as in a task that falls back on a conversation
    except KeyError:
        with pytest.raises(errors.APIConnectionError, match="Connection refused") as raised:
            client.send(conversations.create())
    assert "no such variable" not in str(raised.value)


def test_a_server_that_comes_up_late_gets_the_create_once(emulator, make_client, free_port):
    client = make_client(base_url=f"http://127.0.0.1:{free_port}/v1")
    late = type(emulator)(port=free_port)
    timer = threading.Timer(0.005, late.start)
    client.retry = type(client.retry)(attempts=500, wait_initial=0.02, wait_max=0.02)
    timer.start()
    try:
        created = client.send(conversations.create())
        assert [one["id"] for one in late.conversations] == [created.id]
        assert len(late.requests) == 1
    finally:
        timer.join()
        late.stop()


@every_call
def test_a_name_that_cannot_be_resolved_is_tried_again(make_client, call, monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert_never_sent(make_client(base_url="http://ai.invalid/v1"), call, errors.APIConnectionError)


@every_call
def test_a_connection_that_is_not_accepted_in_time_is_tried_again(make_client, call, full_port):
    client = make_client(base_url=f"http://127.0.0.1:{full_port}/v1", timeout_connect=0.05)
    assert_never_sent(client, call, errors.APITimeoutError)


@every_call
def test_a_handshake_with_a_server_that_speaks_no_tls_is_tried_again(emulator, make_client, call):
    client = make_client(base_url=emulator.base_url.replace("http:", "https:"))
    assert_never_sent(client, call, errors.APIConnectionError)
    assert emulator.requests == []


@every_call
def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(tls_server, make_client, call):
    assert_never_sent(make_client(base_url=tls_server.base_url), call, errors.APIConnectionError)
    assert tls_server.requests == []


def test_a_ca_file_vouches_for_a_certificate(tls_server, make_client):
    client = make_client(base_url=tls_server.base_url, verify=str(tls_server.certificate))
    assert client.send(conversations.create()).id == "c1"


def test_switching_the_check_off_wins_over_the_environment(tls_server, make_client, monkeypatch, tmp_path):
    (tmp_path / "other.pem").write_text(tls_server.other_certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    client = make_client(base_url=tls_server.base_url, verify=False)
    with pytest.warns(Warning, match="Unverified HTTPS request"):
        assert client.send(conversations.create()).id == "c1"


def test_a_netrc_entry_does_not_replace_the_credential(emulator, make_client, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    make_client(APIKey(Secret(KEY, name="x"))).send(conversations.create())
    make_client().send(conversations.create())
    assert [request.headers.get("authorization") for request in emulator.requests] == ["Api-Key", None]


@pytest.mark.parametrize(
    "fault",
    [{"drop": "reset"}, {"delay": 0.8}, {"truncate": 9}, {"status": 307, "headers": {"Location": f"/{KEY}"}}],
    ids=["reset", "slow", "truncated", "redirect"],
)
def test_a_failure_holds_the_credential_nowhere(emulator, make_client, fault):
    """Not in what it says, in what led to it, nor in the variables of the functions that it went through."""
    emulator.fail("createConversation", **fault)
    with pytest.raises(errors.YandexAIStudioError) as raised:
        make_client(APIKey(Secret(KEY, name="x"))).send(conversations.create())
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = "".join(line for line in told.format() if __file__ not in line)
    assert KEY not in ours + str(vars(raised.value))


def test_headers_say_who_asks_for_which_folder_and_each_attempt_has_its_own_id(emulator, make_client):
    client = make_client(headers={"OpenAI-Project": "b1g", "User-Agent": "us/1"})
    emulator.fail("createConversation", status=429, headers={"Retry-After": "0"})
    client.send(conversations.create())
    for request in emulator.requests:
        assert request.headers["openai-project"] == "b1g"
        assert request.headers["user-agent"] == "us/1"
        assert request.headers["accept"] == "application/json"
        assert request.headers["content-type"] == "application/json"
    assert len({request.headers["x-client-request-id"] for request in emulator.requests}) == 2


@every_call
def test_what_has_no_body_has_no_type_either(emulator, client, call):
    with suppress(errors.NotFoundError):
        client.send(call)
    sent = emulator.requests[0].headers
    assert sent.get("content-type") == (None if call.request.body is None else "application/json")


def test_an_id_arrives_as_it_was_given(emulator, client):
    for odd in ("a/b", "ä ?#%2F", "x y"):
        with pytest.raises(errors.NotFoundError) as raised:
            client.send(conversations.get(odd))
        assert f"Conversation with id '{odd}' not found" in str(raised.value)


def test_one_connection_serves_many_calls(emulator, client, monkeypatch):
    opened = []
    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: opened.append(to) or connect(self, to))
    for _ in range(3):
        client.send(conversations.create())
    assert opened == [("127.0.0.1", emulator.port)]


def test_a_chunked_and_compressed_answer_is_read_whole(make_client):
    import gzip

    body = gzip.compress(json.dumps({"id": "c1", "metadata": {"k": "v" * 100_000}}).encode())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 50):
                piece = body[start : start + 50]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *args):
            pass

    with serving(Handler) as port:
        conversation = make_client(base_url=f"http://127.0.0.1:{port}").send(conversations.get("c1"))
    assert len(conversation.metadata["k"]) == 100_000
