from __future__ import annotations

import asyncio
import http.server
import json
import logging
import socket
import ssl
import threading
import time

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.async_client import AsyncClient
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.client import Client
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from servers import self_signed, serving

#: As the defaults, without the waiting.
FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)


@pytest.fixture
def emulator(yandex_ai_studio):
    return yandex_ai_studio


class AwaitedClient:
    """The async client with the face of the sync one: what threads send at once, the tasks of one event loop do."""

    def __init__(self, *args, **settings):
        self._client = AsyncClient(*args, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def send(self, call, **arguments):
        return self._result(self._client.send(call, **arguments))

    def close(self):
        if not self._loop.is_closed():
            self._result(self._client.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def cut_off(self):
        return self._client.cut_off

    @property
    def retry(self):
        return self._client.retry

    @retry.setter
    def retry(self, retry):
        self._client.retry = retry

    def _result(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


CLIENTS = {"requests": Client, "aiohttp": AwaitedClient}


@pytest.fixture(params=CLIENTS)
def library(request):
    """What carries the requests. A test for one of the two says so by parametrizing it."""
    return request.param


@pytest.fixture
def new_client(library):
    """Return a function that makes a client of the kind, and closes it in the end."""
    made = []

    def make(*args, **settings):
        made.append(CLIENTS[library](*args, **settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def make_client(emulator, new_client):
    """Return a function that makes a client to the emulator, or to wherever it is told."""

    def make(credential=None, retry=FAST, **endpoint):
        settings = {"base_url": emulator.base_url, "timeout_connect": 1, "timeout_read": 0.5, **endpoint}
        return new_client(Endpoint(**settings), credential or Anonymous(), retry=retry, log=logging.getLogger("client"))

    return make


@pytest.fixture
def client(make_client):
    return make_client()


class Clock:
    """The time, which a test moves."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


CLOCK = Clock()


@pytest.fixture
def clock():
    """The clock of both ends."""
    CLOCK.ahead = 0.0
    return CLOCK


@pytest.fixture(scope="module")
def _server():
    with Emulator(api_key="AQVN-key", clock=CLOCK) as emulator:
        yield emulator


@pytest.fixture
def server(_server, clock, monkeypatch):
    """An emulator that accepts nothing but its own key and tokens, and is the metadata service as well."""
    _server.reset()
    monkeypatch.setenv("YC_METADATA_ADDR", _server.metadata_address)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return _server


@pytest.fixture(scope="module")
def key(_server):
    return _server.new_service_account_key()


@pytest.fixture
def accepted_key(server, key):
    server.issue(service_account_keys=[key])
    return key


@pytest.fixture
def connect_to(server, monkeypatch):
    """Return a function that makes a hook with a connection of its own."""

    def make(**extra):
        fields = {"conn_type": "yandex_ai_studio", "host": server.base_url}
        urls = {"iam_url": server.iam_url, "workload_identity_url": server.exchange_url}
        monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", json.dumps({**fields, "extra": {**urls, **extra}}))
        return YandexAIStudioHook(request_retry=FAST)

    return make


@pytest.fixture
def full_port():
    """A port where connections are neither accepted nor refused: its queue is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


@pytest.fixture
def tls_server(tmp_path):
    """A server whose certificate is signed by itself; it creates conversation ``c1``."""

    class Server:
        requests: list[str] = []  # noqa: RUF012  # one per test
        certificate = tmp_path / "cert.pem"
        other_certificate = self_signed()[0]
        delay = 0.0

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            Server.requests.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(Server.delay)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id": "c1"}')

        def log_message(self, *args):
            pass

    public, key = self_signed()
    Server.certificate.write_text(public)
    (tmp_path / "key.pem").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Server.certificate, tmp_path / "key.pem")
    with serving(Handler, context) as port:
        Server.base_url = f"https://localhost:{port}"
        yield Server
