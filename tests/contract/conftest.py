from __future__ import annotations

import json
import logging
import time

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.client import Client
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

#: As the defaults, without the waiting.
FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)


@pytest.fixture
def emulator(yandex_ai_studio):
    return yandex_ai_studio


@pytest.fixture
def make_client(emulator):
    """Return a function that makes a client to the emulator, or to wherever it is told."""
    made = []

    def make(credential=None, retry=FAST, **endpoint):
        settings = {"base_url": emulator.base_url, "timeout_connect": 1, "timeout_read": 0.5, **endpoint}
        made.append(
            Client(Endpoint(**settings), credential or Anonymous(), retry=retry, log=logging.getLogger("client"))
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


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
