"""Every test runs against an Airflow of its own, and an emulator on loopback in place of the vendor."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _isolate_airflow() -> Path:
    """Point Airflow at a new home below the checkout. It reads its settings at the first import."""
    for name in list(os.environ):
        if name.startswith("AIRFLOW_") or name.lower() in {
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "requests_ca_bundle",
            "curl_ca_bundle",
        }:
            del os.environ[name]
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=cache))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    dags = home / "dags"
    for folder in (ROOT / "dags_examples", ROOT / "tests" / "airflow" / "dags"):
        shutil.copytree(folder, dags, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    return home


AIRFLOW_HOME = _isolate_airflow()

pytest_plugins = ["airflow_provider_yandex_conv.emulator.pytest_plugin"]


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    """Refuse connections that leave the machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def logged(capfd, caplog):
    """
    Return a function that gives all log lines so far, or with ``anew=True`` forgets them.

    Airflow 2 logs through the standard library, Airflow 3 through structlog, which writes to standard output.
    """
    caplog.set_level("INFO")
    task_log = logging.getLogger("airflow.task")
    task_log.addHandler(caplog.handler)
    lines = []

    def text(*, anew=False):
        lines.extend(capfd.readouterr())
        if anew:
            lines.clear()
            caplog.clear()
        return "".join([*lines, caplog.text])

    yield text
    task_log.removeHandler(caplog.handler)
