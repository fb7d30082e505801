from __future__ import annotations

import logging

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.client import Client
from airflow_provider_yandex_conv.endpoint import Endpoint

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
