"""
Airflow's pages to click through: the example DAGs, a ready connection, and the emulator behind it, on 127.0.0.1.

Without an account the connection leads to the emulator. With ``YC_API_KEY`` and ``YC_FOLDER_ID`` set it leads to the
real service, all DAGs are paused, and the key is taken out of Airflow's database at the end. Everything that
Airflow writes goes to the folder ``.ui``. Ctrl-C ends all processes.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from airflow_provider_yandex_conv.emulator.server import Emulator
from demo import ROOT, account_connection, airflow_settings, configure_airflow, emulator_for_show, migrate, step

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

AIRFLOW = version("apache-airflow")
HOME = Path(os.environ.get("UI_HOME") or ROOT / ".ui").absolute() / f"airflow-{AIRFLOW}"
USER = PASSWORD = "admin"
CONN_ID = "yandex_ai_studio_default"
#: Taken if they are free.
USUAL_PORT, USUAL_EMULATOR_PORT = 8080, 8765
#: Seconds for the start, and for a process that is told to end.
START_TIMEOUT, END_TIMEOUT = 180, 20
COMPONENTS = {
    "api-server": ("--workers", "1"),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}


def main() -> int:
    """Start all, tell where to look, and wait for Ctrl-C; 1 where a process ends by itself."""
    if AIRFLOW.startswith("2."):
        sys.exit("make ui needs Airflow 3: leave AIRFLOW out, or take AIRFLOW=3.1")
    # A terminal that is closed and a system that shuts down end it as Ctrl-C does, and SIGINT where a script has
    # started it in the background does too.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    connection = account_connection()
    HOME.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_alone())
        try:
            emulator = None if connection else stack.enter_context(emulator_for_show(_free_port(USUAL_EMULATOR_PORT)))
            port = _free_port(USUAL_PORT)
            configure_airflow(airflow_settings(HOME) | _settings(port))
            with step("Preparing Airflow's database", _log("database")):
                migrate()
                _make_pool()
                stack.enter_context(_stored(json.loads(emulator.connection() if emulator else connection)))
            with step(f"Starting Airflow {AIRFLOW}", _log("start")):
                airflow = stack.enter_context(_Airflow(f"http://127.0.0.1:{port}"))
                airflow.wait_until_ready()
                if emulator is not None:
                    airflow.unpause_what_no_schedule_starts()
            _tell(airflow.url, emulator)
            return airflow.watch(emulator)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
            print("\nEnding all processes ...", end=" ", flush=True)
            stack.close()
            print("done", flush=True)
            return 0


def _alone() -> Any:
    """Refuse to run twice on one database."""
    lock = (HOME / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"make ui runs already, with {HOME}")
    return lock


def _free_port(usual: int) -> int:
    """Return the usual port, or where that is taken any other."""
    for port in (usual, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    sys.exit("no port of 127.0.0.1 is free")


def _settings(port: int) -> dict[str, str]:
    passwords = HOME / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    url = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": _fernet_key(),
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(HOME / "logs"),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "BATCH_FOLDER": str(HOME),  # of the example for many at once
        "NO_PROXY": "127.0.0.1",
    }


def _make_pool() -> None:
    """Make the pool that the example for many customers shares, if it is not there."""
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(
        "yandex_ai_studio",
        slots=10,
        description="Requests in flight at Yandex AI Studio",
        include_deferred=True,
    )


def _fernet_key() -> str:
    """Return what encrypts connections in the database, the same each time."""
    kept = HOME / "fernet.key"
    if not kept.exists():
        kept.touch(mode=0o600)
        kept.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return kept.read_text()


@contextmanager
def _stored(connection: dict[str, Any]) -> Iterator[None]:
    """Keep the connection in the database meanwhile, where the pages show it."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    host = connection.get("host")
    kept = Connection(
        conn_id=CONN_ID,
        conn_type=connection["conn_type"],
        description="made by make ui",
        host=host,
        # Airflow 3.3 does not test a stored connection without a port.
        port=urlsplit(host).port if host else 443,
        password=connection["password"],
        extra=json.dumps(connection["extra"]),
    )
    with create_session() as session:
        session.query(Connection).filter_by(conn_id=CONN_ID).delete()
        session.add(kept)
    try:
        yield
    finally:
        with create_session() as session:
            session.query(Connection).filter_by(conn_id=CONN_ID).delete()


class _Airflow:
    """The processes of an Airflow, each in a session of its own, so that Ctrl-C reaches this process alone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name, options in COMPONENTS.items():
                with _log(name).open("wb") as log:
                    self._processes[name] = subprocess.Popen(
                        [sys.executable, "-m", "airflow", name, *options],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        cwd=HOME,
                        start_new_session=True,
                    )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all that was started, and what that has started."""
        families = [_family(process.pid) for process in self._processes.values()]
        for process in self._processes.values():
            process.terminate()
        deadline = time.monotonic() + END_TIMEOUT
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in (one for family in families for one in family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self._processes.values():
            process.wait()

    def wait_until_ready(self) -> None:
        """Wait until all components are healthy and the DAGs are known."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if (ended := self._ended()) or time.monotonic() > deadline:
                names = [ended] if ended else list(COMPONENTS)
                sys.exit(f"Airflow did not start; see {', '.join(str(_log(name)) for name in names)}")
            time.sleep(0.5)

    def unpause_what_no_schedule_starts(self) -> None:
        """Let a run begin when a person triggers it; DAGs with a schedule would all begin by themselves at once."""
        token = self._token()
        for dag in self._ask("/api/v2/dags", token=token)["dags"]:
            if dag["next_dagrun_run_after"] is None:
                self._ask(f"/api/v2/dags/{dag['dag_id']}", {"is_paused": False}, token=token, method="PATCH")

    def watch(self, emulator: Emulator | None) -> int:
        """Show what reaches the emulator, until a process ends; return 1 then."""
        shown = 0
        while not (ended := self._ended()):
            for request in emulator.requests[shown:] if emulator else []:
                print(f"  {request.method:<6} {request.path} -> {request.status}", flush=True)
                shown += 1
            time.sleep(0.3)
        print(f"{ended} has ended by itself; see {_log(ended)}", file=sys.stderr)
        return 1

    def _ended(self) -> str | None:
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def _is_ready(self) -> bool:
        try:
            health = self._ask("/api/v2/monitor/health")
            if any(health[part]["status"] != "healthy" for part in ("scheduler", "triggerer", "dag_processor")):
                return False
            known = self._ask("/api/v2/dags", token=self._token())["total_entries"]
        except OSError:
            return False
        return bool(known >= len(list((ROOT / "dags_examples").glob("*.py"))))

    def _token(self) -> str:
        return str(self._ask("/auth/token", {"username": USER, "password": PASSWORD})["access_token"])

    def _ask(self, path: str, body: dict[str, Any] | None = None, token: str = "", method: str | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            method=method,
        )
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxy.open(request, timeout=5) as answer:
            return json.load(answer)


def _log(name: str) -> Path:
    return HOME / f"{name}.log"


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _tell(url: str, emulator: Emulator | None) -> None:
    print(f"\nAirflow   {url}   user {USER}, password {PASSWORD}")
    if emulator is None:
        print("Service   Yandex AI Studio; a run of a DAG is billed. DAGs are paused: press the Trigger button.")
    else:
        print(f"Service   the emulator, {emulator.base_url}")
    print(f"Try       {url}/dags/turn_by_turn   (Trigger, and watch a conversation grow)")
    print(f"          {url}/dags/approve_the_answer   (Trigger, approve, see the tab Conversation of answer)")
    print(f"Test      {url}/connections   (the button of {CONN_ID}; it looks for what is not there, a 404)")
    print(
        "\nCtrl-C ends everything. What reaches the emulator:" if emulator else "\nCtrl-C ends everything.", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
