"""
A pytest fixture for the tests of DAG authors.

Switched on in a ``conftest.py``::

    pytest_plugins = ["airflow_provider_yandex_conv.emulator.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_yandex_conv.emulator.server import Emulator


@pytest.fixture(scope="session")
def yandex_ai_studio_server() -> Iterator[Emulator]:
    """An emulator that runs as long as the tests do."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def yandex_ai_studio(yandex_ai_studio_server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """
    An empty emulator, to which the connection ``yandex_ai_studio_default`` leads.

    The connection has a folder, so that a model can be named by its name alone.
    """
    yandex_ai_studio_server.reset()
    connection = yandex_ai_studio_server.connection(folder_id="b1gemulator0000000000")
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", connection)
    return yandex_ai_studio_server
