"""The DAGs are run with real Airflow, in a home of its own, and the emulator takes the place of the vendor."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

pytest_plugins = ["airflow_provider_yandex_conv.emulator.pytest_plugin"]

# Airflow reads its settings when it is first imported, so this is no fixture.
HOME = tempfile.TemporaryDirectory(prefix="airflow-")
os.environ.update(
    AIRFLOW_HOME=HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parent / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY="0",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME.name}/airflow.db",
)


@pytest.fixture(scope="session")
def dags():
    """Return the DAGs of the folder by their ids, with a database for their runs."""
    from airflow.utils.db import initdb

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow below 3.2
        from airflow.models.dagbag import DagBag

    initdb()
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture
def run(dags):
    """Return a function that runs a DAG to its end, in this process, and returns what became of it."""
    return lambda dag_id, **params: Run(dags[dag_id].test(run_conf=params))


class Run:
    """A run in Airflow's database."""

    def __init__(self, dag_run):
        self._dag_run = dag_run
        self.state = str(dag_run.state)

    def task(self, task_id):
        return self._dag_run.get_task_instance(task_id)

    def xcom(self, task_id, key="return_value"):
        return self.task(task_id).xcom_pull(task_ids=task_id, key=key)
