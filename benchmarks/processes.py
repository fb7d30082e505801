"""The processes beside a benchmark: a server to talk to, and fresh interpreters that are measured as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

FOLDER = Path(__file__).parent


class Server:
    """The server of ``server.py`` in a process of its own."""

    def __init__(self, *options: str, certificate: Path | None = None) -> None:
        tls = ["--certificate", str(certificate)] if certificate else []
        command = [sys.executable, str(FOLDER / "server.py"), *options, *tls]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.base_url = self._process.stdout.readline().strip()
        self._root = self.base_url.removesuffix("/v1")
        self._session = requests.Session()
        self._session.verify = str(certificate) if certificate else True
        self._session.trust_env = False

    def reset(self) -> None:
        self._session.post(f"{self._root}/reset")

    def counted(self) -> dict[str, float]:
        return self._session.get(f"{self._root}/counted").json()

    def stop(self) -> None:
        self._session.close()
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


@contextmanager
def serving(*options: str, certificate: Path | None = None) -> Iterator[Server]:
    """Serve while the block runs."""
    server = Server(*options, certificate=certificate)
    try:
        yield server
    finally:
        server.stop()


def connections(base_url: str, *, verify: str | None = None) -> dict[str, str]:
    """Return the Airflow connections to a server, one for each way, as environment variables."""
    url = urlsplit(base_url)
    ours = {"conn_type": "yandex_ai_studio", "host": base_url, "password": "benchmark", "extra": {"folder_id": "b1g"}}
    openai = {"conn_type": "openai", "host": base_url, "password": "benchmark"}
    http = {
        "conn_type": "http",
        "host": f"{url.scheme}://{url.hostname}",
        "port": url.port,
        "extra": {"Authorization": "Api-Key benchmark"},
    }
    if verify:
        ours["extra"]["verify"] = verify
        http["extra"]["verify"] = verify
    values = {"YANDEX_AI_STUDIO_DEFAULT": ours, "OPENAI_DEFAULT": openai, "HTTP_DEFAULT": http}
    return {f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in values.items()}


@contextmanager
def airflow_home(more: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Let Airflow live in a folder that goes away; yield the environment, which is also that of this process."""
    with tempfile.TemporaryDirectory() as home:
        changes = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_PROXY": "*",
            "PYTHONWARNINGS": "ignore",
            **more,
        }
        before = {name: os.environ.get(name) for name in changes}
        os.environ.update(changes)
        try:
            yield dict(os.environ)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value


def fresh(arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a new interpreter, and return what it prints last, as JSON, with the ``seconds`` of CPU that it took."""
    before = os.times()
    ended = subprocess.run(
        [sys.executable, *arguments], env=dict(environment), capture_output=True, text=True, check=False
    )
    after = os.times()
    if ended.returncode:
        raise RuntimeError(f"{arguments}: {ended.stderr[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {**json.loads(ended.stdout.splitlines()[-1]), "cpu": cpu}


@contextmanager
def airflow_logging() -> Iterator[Path]:
    """Let this process log as the process of a task does: as JSON, into a file, whose path is yielded."""
    from airflow.sdk.log import configure_logging

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.log"
        with path.open("wb") as file:
            configure_logging(json_output=True, output=file)
            yield path
            configure_logging(output=sys.stderr)
