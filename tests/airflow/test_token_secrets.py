"""Keys, tokens, what they are exchanged for, and passwords of proxies must not leave, whoever hands them back."""

from __future__ import annotations

import base64
import http.server
import json
import os
import pickle
import threading
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

import pytest
from test_secrets import everything_said

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

CONNECTION = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"
FAST = RequestRetry(attempts=2, wait_initial=0)
TOKEN = "t1.planted-7"
SUBJECT = "planted+subject/8=="
PASSWORD = "planted-proxy-9"
#: What the echo does with all that it was sent.
ECHOES = ["json", "html", "text", "description", "redirect", "header", "success", "truncated"]


class Echo:
    """A server, a proxy, or a service that issues tokens, which hands back whatever it is sent."""

    def __init__(self):
        self.kind = "text"
        self.token = None
        self.heard = []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                echo.answer(self)

            do_POST = do_GET  # noqa: N815  # the names of the standard library

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request):
        sent = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        for_token = "/token" in request.path or "/iam/" in request.path
        if for_token and self.token is not None:
            body = {"iamToken": self.token, "access_token": self.token, "expires_in": 600}
            return self.write(request, 200, json.dumps({**body, "expiresAt": "2999-01-01T00:00:00Z"}))
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        said = f"{sent} {unquote_plus(sent)} {secret} {request.headers.get('Proxy-Authorization', '')}".strip()
        self.heard.append(said)
        flat = " ".join(said.split())
        return self.write(
            request,
            *{
                "json": (400, json.dumps({"error": {"message": said, "code": secret or "x"}})),
                "html": (502, f"<html><title>{flat}</title></html>"),
                "text": (503, said),
                "description": (400, json.dumps({"error": "invalid_grant", "error_description": said})),
                "redirect": (307, "", {"Location": f"https://other.example/{quote_plus(flat)}?{flat}"}),
                "header": (500, "", {"x-request-id": flat, "x-server-trace-id": flat}),
                "success": (200, json.dumps({"id": "c1", "metadata": {"k": said}, "iamToken": f"{secret} {flat}"})),
                "truncated": (200, f'{{"access_token": "{flat}'),
            }[self.kind],
        )

    @staticmethod
    def write(request, status, body, headers=None):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body.encode())), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body.encode())


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


@pytest.fixture(scope="module")
def key():
    with Emulator() as emulator:
        return emulator.new_service_account_key()


@pytest.fixture
def ways(echo, key, tmp_path):
    """Return the extras of each way to get tokens, from the echo."""
    (tmp_path / "subject").write_text(SUBJECT)
    return {
        "service_account": {"service_account_key": key, "iam_url": f"http://{echo.address}/iam/v1/tokens"},
        "workload_identity": {
            "workload_identity_service_account_id": "ajesa",
            "workload_identity_token_path": str(tmp_path / "subject"),
            "workload_identity_url": f"http://{echo.address}/oauth/token",
        },
        "metadata": {},
    }


@pytest.fixture
def connect(echo, monkeypatch):
    def make(auth_type, **extra):
        monkeypatch.setenv("YC_METADATA_ADDR", echo.address)
        fields = {"conn_type": "yandex_ai_studio", "host": f"http://{echo.address}/v1"}
        monkeypatch.setenv(CONNECTION, json.dumps({**fields, "extra": {"auth_type": auth_type, **extra}}))

    return make


def lines_of(key):
    return [line for line in key["private_key"].splitlines() if len(line) == 64]


def secrets_heard(echo):
    """Return the signed requests that were sent, which differ each time."""
    sent = [said.split('"jwt": "')[1].split('"')[0] for said in echo.heard if '"jwt"' in said]
    return [part for jwt in sent for part in (jwt, jwt.split(".")[2])]


def all_said(context, logged):
    """Run a task and a connection test, and return all that they say, print and push."""
    operator = YandexCreateConversationOperator(task_id="create", request_retry=FAST)
    said = []
    try:
        said.append(operator.execute(context))
    except Exception as error:  # noqa: BLE001  # whichever it is
        said.append(everything_said(error))
    client = operator.hook.get_conn()
    said += [repr(operator), repr(vars(operator)), repr(client.credential), repr(vars(client)), repr(client.endpoint)]
    said += [repr(client._tokens and vars(client._tokens)), repr(vars(client.transport))]
    said += [YandexAIStudioHook().test_connection()[1], str(context["pushed"]), logged()]
    return "\n".join(str(one) for one in said)


@pytest.mark.parametrize("kind", ECHOES)
@pytest.mark.parametrize("way", ["service_account", "workload_identity"])
def test_what_is_sent_for_a_token_goes_no_further(echo, ways, connect, key, context, logged, way, kind):
    echo.kind = kind
    connect(way, **ways[way])
    said = all_said(context, logged)
    planted = [SUBJECT, quote_plus(SUBJECT)] if way == "workload_identity" else secrets_heard(echo)
    assert len(planted) >= 2
    for secret in [*planted, *lines_of(key)]:
        assert secret not in said


@pytest.mark.parametrize("kind", ECHOES)
@pytest.mark.parametrize("way", ["service_account", "workload_identity", "metadata"])
def test_a_token_that_the_api_hands_back_goes_no_further(echo, ways, connect, context, logged, way, kind):
    echo.kind, echo.token = kind, TOKEN
    connect(way, **ways[way])
    said = all_said(context, logged)
    assert any(TOKEN in one for one in echo.heard)
    assert TOKEN not in said


@pytest.mark.parametrize("kind", ECHOES)
def test_the_password_of_a_proxy_goes_no_further(echo, connect, context, logged, kind):
    echo.kind = kind
    connect("iam_token", iam_token=TOKEN, proxies={"http": f"http://someone:{PASSWORD}@{echo.address}"})
    said = all_said(context, logged)
    sent = base64.b64encode(f"someone:{PASSWORD}".encode()).decode()
    assert any(sent in one for one in echo.heard)
    for secret in (PASSWORD, sent, TOKEN):
        assert secret not in said


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "nonsense"])
def test_the_password_of_a_proxy_that_does_not_work_is_not_shown(echo, connect, context, logged, scheme):
    address = echo.address
    echo.close()
    connect("iam_token", iam_token=TOKEN, proxies={"http": f"{scheme}://someone:{PASSWORD}@{address}"})
    said = all_said(context, logged)
    assert PASSWORD not in said
    assert TOKEN not in said


@pytest.mark.parametrize("damage", [lambda pem: pem.replace("A", "!"), lambda pem: pem[:400], lambda pem: ""])
def test_a_key_that_cannot_be_used_is_not_shown(connect, ways, key, context, logged, damage, tmp_path, monkeypatch):
    damaged = {**key, "private_key": damage(key["private_key"])}
    (tmp_path / "key.json").write_text(json.dumps(damaged))
    planted = [line for line in damaged["private_key"].splitlines() if len(line) == 64]
    for extras in (
        {"service_account_key": damaged},
        {"service_account_key": json.dumps(damaged)},
        {"service_account_key": json.dumps(damaged)[:-5]},
        {"service_account_key_path": str(tmp_path / "key.json")},
        {"yandexcloud_conn_id": "yc", "auth_type": "yandexcloud"},
    ):
        borrowed = {"conn_type": "yandexcloud", "extra": {"service_account_json": json.dumps(damaged)}}
        monkeypatch.setenv("AIRFLOW_CONN_YC", json.dumps(borrowed))
        connect(**{"auth_type": "service_account", **extras})
        said = []
        with pytest.raises(Exception, match=r"key|JSON") as raised:
            YandexCreateConversationOperator(task_id="create", request_retry=FAST).execute(context)
        said += [everything_said(raised.value), YandexAIStudioHook().test_connection()[1], logged()]
        assert not [line for line in planted if line in "\n".join(said)]


def redact(text):
    try:
        from airflow.sdk.log import redact as redacted
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import redact as redacted
        except ImportError:
            from airflow.utils.log.secrets_masker import redact as redacted
    return redacted(text)


def test_airflow_masks_what_comes_into_being(echo, ways, connect, key, tmp_path):
    """Whatever a task's own code prints."""
    echo.token = "t1.masked-10"
    connect("service_account", **ways["service_account"], proxies={"https": f"http://u:{PASSWORD}@proxy:1"})
    hook = YandexAIStudioHook()
    hook.test_connection()
    for secret in ("t1.masked-10", PASSWORD, *lines_of(key)):
        assert secret not in redact(f"a {secret} b")  # Airflow 2 also masks the passwords of one letter of other tests
    (tmp_path / "subject").write_text("masked-subject-11")
    connect("workload_identity", **ways["workload_identity"])
    YandexAIStudioHook().test_connection()
    assert "masked-subject-11" not in redact("a masked-subject-11 b")


def test_no_credential_can_be_pickled(connect, ways):
    connect("service_account", **ways["service_account"])
    with pytest.raises(TypeError):
        pickle.dumps(YandexAIStudioHook().get_conn().credential)


def test_a_dag_run_leaves_no_key_and_no_token_in_database_or_logs(monkeypatch, run_dag, logged):
    with Emulator(api_key="another") as server:
        key = server.new_service_account_key()
        extra = {"auth_type": "service_account", "service_account_key": key, "iam_url": server.iam_url}
        monkeypatch.setenv(CONNECTION, server.connection(**extra))
        server.fail("createConversation", status=401)
        assert run_dag("creating_or_recreate").state == "success"
        jwts = [one.body["jwt"] for one in server.requests if one.operation == "createIamToken"]
        planted = [*lines_of(key), *jwts, *(token.text for token in server.tokens)]
    assert len(planted) > 20
    own = "\n".join(line for line in logged().splitlines() if "MaskSecret" not in line)
    assert not [secret for secret in planted if secret in own]
    for file in Path(os.environ["AIRFLOW_HOME"]).rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [secret for secret in planted if secret.encode() in content], file
