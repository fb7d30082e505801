from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

from state_store import FakeStore


@pytest.fixture
def emulator(yandex_ai_studio):
    return yandex_ai_studio


@pytest.fixture
def context():
    """What execute() gets of Airflow, with ``pushed`` to see what it gave to XCom."""
    pushed = {}
    ti = SimpleNamespace(
        dag_id="sales",
        run_id="scheduled__2026-01-01",
        task_id="create",
        map_index=-1,
        try_number=1,
        xcom_push=lambda *, key, value: pushed.__setitem__(key, value),
    )
    return {"ti": ti, "pushed": pushed}


@pytest.fixture
def store(tmp_path):
    """A stand-in for Airflow's task state store, which outlives a process."""
    return FakeStore(tmp_path / "store.json")


class Cut(BaseException):
    """What Airflow raises in the middle of anything when a task's time is up."""


@pytest.fixture
def cut_off():
    """Raise in the main thread after 0.3 s, as a time limit does; return what is raised."""

    def stop(*_):
        raise Cut

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    yield Cut
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session")
def _database():
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def dag_bag(_database):
    return parse_dags()


def parse_dags():
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow below 3.2
        from airflow.models.dagbag import DagBag
    return DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])


@pytest.fixture(scope="module")
def parsed_dags(_database):
    """As ``run_dag``, for the fixtures of a whole module."""
    dags = parse_dags().dags
    return lambda dag_id: Outcome(dags[dag_id].test())


@pytest.fixture
def run_dag(dag_bag):
    """Return a function that runs a DAG with real Airflow and returns its outcome."""
    return lambda dag_id: Outcome(dag_bag.dags[dag_id].test())


class Outcome:
    """What a DAG run left in Airflow's database."""

    def __init__(self, dag_run):
        self._dag_run = dag_run
        self.dag_id = dag_run.dag_id
        self.run_id = dag_run.run_id
        self.state = str(dag_run.state)

    def states(self):
        return {ti.task_id: str(ti.state) for ti in self._dag_run.get_task_instances()}

    def tries(self, task_id):
        return self._dag_run.get_task_instance(task_id).try_number

    def xcom(self, task_id, key="return_value", map_index=-1):
        ti = self._dag_run.get_task_instance(task_id, map_index=map_index)
        return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)
