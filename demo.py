"""
See it work: run an example DAG with real Airflow, and print the conversation id, the XComs and what was stored.

Without an account it talks to the emulator. With ``YC_API_KEY`` and ``YC_FOLDER_ID`` set it talks to the real service.
Everything that Airflow writes goes to the folder ``.demo``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.emulator.server import Emulator

if TYPE_CHECKING:
    from airflow.models import DagRun

ROOT = Path(__file__).parent
HOME = ROOT / ".demo" / f"airflow-{version('apache-airflow')}"  # another release has another database
LOG = HOME / "airflow.log"
DAG_ID = "daily_conversation"


def main() -> int:
    """Run the DAG and tell what happened; 0 where it succeeded."""
    HOME.mkdir(parents=True, exist_ok=True)
    LOG.unlink(missing_ok=True)
    with ExitStack() as stack:
        connection = account_connection()
        emulator = None if connection else stack.enter_context(emulator_for_show())
        configure_airflow(
            airflow_settings(HOME)
            | {"AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT": connection if emulator is None else emulator.connection()}
        )
        print(f"Service: {'Yandex AI Studio' if emulator is None else f'the emulator, {emulator.base_url}'}")
        with step("Preparing Airflow's database", LOG):
            migrate()
        with step(f"Running the DAG {DAG_ID} (a task that fails is tried again after a minute, twice)", LOG):
            run = _run_dag()
        print(f"\nRun {run.run_id}: {run.state}")
        for task_id in ("create", "label", "describe", "delete"):
            print(f"  {task_id:<10} {run.get_task_instance(task_id).state}")
        if run.state == "success":
            _tell_xcoms(run)
        else:
            _tell_why()
        if emulator is not None:
            _tell_what_was_stored(emulator)
    print(f"\nAirflow's own log: {LOG.relative_to(ROOT)}. To click through Airflow's pages: make ui")
    return 0 if run.state == "success" else 1


def account_connection() -> str:
    """Return a connection to the real service, from the environment; empty where no account is named there."""
    given = [name for name in ("YC_API_KEY", "YC_FOLDER_ID") if os.environ.get(name)]
    if len(given) == 1:
        sys.exit(f"{given[0]} is set alone: set both YC_API_KEY and YC_FOLDER_ID, or neither for the emulator")
    if not given:
        return ""
    extra = {"folder_id": os.environ["YC_FOLDER_ID"]}
    return json.dumps({"conn_type": "yandex_ai_studio", "password": os.environ["YC_API_KEY"], "extra": extra})


def emulator_for_show(port: int = 0) -> Emulator:
    """Return an emulator that checks a key and a folder, as the service does."""
    return Emulator(api_key="demo-key", folder_id="demo-folder", port=port)


def airflow_settings(home: Path) -> dict[str, str]:
    """Return what gives an Airflow a home of its own, with the example DAGs."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }


def configure_airflow(settings: dict[str, str]) -> None:
    """Set these settings of Airflow and no others; it reads them when it is first imported."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ |= settings


def migrate() -> None:
    """Make Airflow's database, or bring it up to date."""
    from airflow.utils.db import initdb

    initdb()


def _run_dag() -> DagRun:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow below 3.2
        from airflow.models.dagbag import DagBag

    return DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags[DAG_ID].test()


def _tell_why() -> None:
    """Print the errors in Airflow's log, each once."""
    print("\nWhy")
    lines = LOG.read_text(errors="replace").splitlines()
    for line in dict.fromkeys(line.strip() for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)):
        print(f"  {line}")


def _tell_xcoms(run: DagRun) -> None:
    print(f"\nConversation id: {_xcom(run, 'create')}")
    print("\nXComs")
    for task_id, key in [
        ("create", "return_value"),
        ("create", "conversation"),
        ("create", "request_id"),
        ("label", "return_value"),
        ("describe", "return_value"),
        ("delete", "return_value"),
    ]:
        print(f"  {task_id}.{key} = {json.dumps(_xcom(run, task_id, key))}")


def _xcom(run: DagRun, task_id: str, key: str = "return_value") -> Any:
    return run.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=key)


def _tell_what_was_stored(emulator: Emulator) -> None:
    print("\nWhat reached the server")
    for request in emulator.requests:
        print(f"  {request.method:<6} {request.path} -> {request.status}")
    print(f"\nWhat the server stored: {len(emulator.conversations)} conversations now, and these that were deleted")
    for conversation in emulator.deleted_conversations:
        print(f"  {conversation['id']}")
        for key, value in conversation["metadata"].items():
            print(f"    {key} = {value}")
        for item in conversation["items"]:
            print(f"    [{item['role']}] {' '.join(part.get('text', '') for part in item['content'])}")


@contextmanager
def step(what: str, path: Path) -> Iterator[None]:
    """Show what takes time, and send what Airflow prints meanwhile to its log; show the end of that if it fails."""
    print(f"{what} ... ", end="", flush=True)
    began = time.monotonic()
    standard = os.dup(1), os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        yield
    except BaseException:
        os.write(standard[1], b"".join([b"failed\n", *path.read_bytes().splitlines(keepends=True)[-20:]]))
        raise
    finally:
        sys.stdout.flush()
        os.dup2(standard[0], 1)
        os.dup2(standard[1], 2)
        for copy in standard:
            os.close(copy)
    print(f"{time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
