"""An Airflow of real processes on loopback: API server, scheduler, DAG processor, and workers where there are some."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sqlite3
import sys
import time
from contextlib import closing

import requests
from conditions import wait_until
from cryptography.fernet import Fernet

from processes import Processes, free_port, kill_hard

#: Seconds after which Airflow takes a task for dead that gives no sign of life.
HEARTBEAT_TIMEOUT = 15


class Installation:
    """
    One Airflow, from its own database to its own REST API.

    :param home: its folder.
    :param emulator: what its connection leads to.
    :param dags: the folder whose DAGs it gets.
    :param python: the interpreter of its environment.
    :param settings: of Airflow, as environment variables.
    """

    def __init__(self, home, emulator, *, dags=None, python=sys.executable, **settings):
        self.home = home
        self.emulator = emulator
        self._dags = dags
        self._python = str(python)
        self.processes = Processes(home)
        self.port = free_port()
        self.environment = self._environment() | settings
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self, *, dag_count):
        """Start all, and wait until so many DAGs are known."""
        self.start_web()
        for name, *arguments in (
            ("scheduler", "--skip-serve-logs"),
            ("dag-processor",),
            ("triggerer", "--skip-serve-logs"),
        ):
            self.start_component(name, name, *arguments)
        self.wait_for_web()
        wait_until(
            lambda: len(self.get("dags")["dags"]) == dag_count, "the DAGs are known", meanwhile=self.processes.check
        )

    def start_web(self):
        """Make the database and start what answers browsers."""
        if self._dags is not None:
            shutil.copytree(self._dags, self.home / "dags", dirs_exist_ok=True)
        self.processes.run_to_end("migrate", *self.airflow("db", "migrate"), env=self.environment)
        self.start_component("api-server", "api-server", "--workers", "1")

    def wait_for_web(self):
        """Wait until it answers, and log in."""
        wait_until(self._is_up, "the API server answers", meanwhile=self.processes.check)
        self._session.headers["Authorization"] = f"Bearer {self._token()}"

    def _token(self):
        return self._session.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]

    def start_component(self, name, *arguments):
        """Start a process of Airflow's command line."""
        self.processes.start(name, *self.airflow(*arguments), env=self.environment)

    def stop(self):
        self.processes.stop()

    def airflow(self, *arguments):
        """Return the command line of one of Airflow's commands."""
        return [self._python, "-m", "airflow", *arguments]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _environment(self):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHONDONT"))}
        return clean | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT": self.emulator.connection(folder_id="b1g"),
            "EMULATOR_URL": self.emulator.base_url,
            "NO_PROXY": "127.0.0.1",
        }

    def _is_up(self):
        try:
            return self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def stored_connection(self, conn_id):
        """Return host, port, password and extra of a connection, as the database holds them."""
        fernet = Fernet(self.environment["AIRFLOW__CORE__FERNET_KEY"])
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            query = "select host, port, password, extra from connection where conn_id = ?"
            host, port, *secret = database.execute(query, [conn_id]).fetchone()
        password, extra = (None if one is None else fernet.decrypt(one).decode() for one in secret)
        return host, port, password, json.loads(extra)

    def get(self, path):
        """Return what the REST API has there."""
        return self._ask("GET", path)

    def _ask(self, method, path, body=None):
        answer = self._session.request(method, f"{self.url}/api/v2/{path}", json=body, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def unpause(self, dag_id):
        self._ask("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id):
        """Start a run and return it."""
        made = self._ask("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": {}})
        return Run(self, dag_id, made["dag_run_id"])

    def runs(self, dag_id):
        """Return the runs of a DAG, with those that it began by itself."""
        return [Run(self, dag_id, one["dag_run_id"]) for one in self.get(f"dags/{dag_id}/dagRuns")["dag_runs"]]


class Run:
    """One run of a DAG, as the REST API tells of it, and the logs of its tasks."""

    def __init__(self, installation, dag_id, run_id):
        self._installation = installation
        self.dag_id = dag_id
        self.run_id = run_id
        self._path = f"dags/{dag_id}/dagRuns/{requests.utils.quote(run_id, safe='')}"

    @property
    def state(self):
        return self._installation.get(self._path)["state"]

    def wait(self, *, seconds=180):
        """Wait until it has ended and return its state."""
        return wait_until(
            lambda: (state := self.state) in {"success", "failed"} and state,
            f"run {self.run_id} of {self.dag_id} has ended; its tasks: {self.states()}",
            seconds=seconds,
            meanwhile=self._installation.processes.check,
        )

    def tasks(self):
        """Return its task instances, mapped ones each."""
        return self._installation.get(f"{self._path}/taskInstances?limit=200")["task_instances"]

    def states(self):
        return [(one["task_id"], one["map_index"], one["state"]) for one in self.tasks()]

    def tries(self, task_id):
        (task,) = [one for one in self.tasks() if one["task_id"] == task_id]
        return task["try_number"]

    def xcom(self, task_id, *, map_index=-1):
        """Return the return value of a task."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value?map_index={map_index}"
        return self._installation.get(path)["value"]

    def clear(self, task_id):
        """Clear a task, as a person does in the UI."""
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [task_id], "only_failed": False}
        self._installation._ask("POST", f"dags/{self.dag_id}/clearTaskInstances", body)

    def set_state(self, task_id, state):
        """Set the state of a task, as a person does in the UI."""
        self._installation._ask("PATCH", f"{self._path}/taskInstances/{task_id}", {"new_state": state})

    def question(self, task_id):
        """Return what a task asks a person, or None while it does not."""
        asks = (task_id, -1, "awaiting_input") in self.states()
        return self._installation.get(f"{self._path}/taskInstances/{task_id}/-1/hitlDetails") if asks else None

    def choose(self, task_id, option):
        """Answer what a task asks, as a person does in the UI."""
        body = {"chosen_options": [option], "params_input": {}}
        self._installation._ask("PATCH", f"{self._path}/taskInstances/{task_id}/-1/hitlDetails", body)

    def log(self):
        """Return all that its tasks have logged."""
        folder = self._installation.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return "\n".join(path.read_text() for path in sorted(folder.rglob("*.log")))


def run_killed(installation, emulator, dag_id, fault):
    """Run a DAG, kill the task whose request a fault holds, and return the run and when that was."""
    emulator.fail(**fault)
    run = installation.trigger(dag_id)
    task, _ = held_process(emulator)
    began = time.monotonic()
    kill_hard(task)
    emulator.release()
    return run, began


def held_process(emulator):
    """Wait until a request is held, and return the ids of the process that sent it and of its supervisor."""
    wait_until(lambda: emulator.held, "a request is held")
    signs = [one.path.rpartition("/")[2] for one in emulator.requests if "/started." in one.path]
    _, _, task, supervisor = signs[-1].split(".")
    return int(task), int(supervisor)
