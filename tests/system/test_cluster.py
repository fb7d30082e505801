"""Two Celery workers with PostgreSQL and Redis, one of which dies while fifty tasks create."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conditions import wait_until

from installation import Installation
from processes import Processes
from services import postgresql, redis

WORKERS = ("worker-1", "worker-2")
TASKS = 50


@pytest.fixture(scope="module")
def _cluster(_emulator, tmp_path_factory):
    home = tmp_path_factory.mktemp("cluster")
    with postgresql(services := Processes(home)) as database:
        installation = Installation(
            home,
            _emulator,
            dags=Path(__file__).parent / "dags",
            AIRFLOW__CELERY__BROKER_URL=redis(services, home),
            AIRFLOW__CELERY__RESULT_BACKEND=f"db+postgresql+psycopg2://{database}",
            AIRFLOW__CORE__EXECUTOR="CeleryExecutor",
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"postgresql+psycopg2://{database}",
            # What a dead worker had taken and not begun comes back to the others after this.
            AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT="20",
            AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT="30",
            AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL="5",
        )
        try:
            installation.start(dag_count=11)
            yield installation
        finally:
            installation.stop()


@pytest.fixture
def cluster(_cluster, emulator):
    """A cluster with both workers, and an emulator that has forgotten all."""
    for name in WORKERS:
        if not _cluster.processes.runs(name):
            options = ["--celery-hostname", f"{name}@%h", "--concurrency", "4", "--skip-serve-logs"]
            _cluster.start_component(name, "celery", "worker", *options)
    for name in WORKERS:
        wait_until(
            lambda name=name: "ready." in _cluster.processes.log(name),
            f"{name} is ready",
            meanwhile=_cluster.processes.check,
        )
    return _cluster


def test_fifty_tasks_make_fifty_conversations_while_a_worker_dies(cluster, emulator, report, round_number, rounds):
    emulator.fail("createConversation", times=None, delay=0.3)  # so that some are under way when it happens
    run = cluster.trigger("creating_mapped")
    some = TASKS * round_number // (rounds + 1)
    wait_until(lambda: len(emulator.conversations) >= some, f"{some} are done", meanwhile=cluster.processes.check)
    began = time.monotonic()
    cluster.processes.kill_all_of(WORKERS[0])
    assert run.wait(seconds=400) == "success"
    report("s from the kill of a worker to the run's success", time.monotonic() - began)

    returned = {task["map_index"]: run.xcom("create", map_index=task["map_index"]) for task in run.tasks()}
    assert sorted(returned) == list(range(TASKS))
    made = made_by(emulator)
    for map_index, conversation_id in returned.items():
        assert made.pop(conversation_id)["metadata"]["n"] == str(map_index)
    warnings = [line for line in run.log().splitlines() if "may have left a conversation behind" in line]
    for orphan in made.values():
        assert any(orphan["attempt"] in line for line in warnings), orphan
    report("conversations that a killed worker left behind, each named", len(made))


def made_by(emulator):
    """Return each conversation by its id, with its metadata and the attempt that made it."""
    asked = [one for one in emulator.requests if one.operation == "createConversation"]
    attempts = {}
    for request in asked:
        attempts.setdefault(request.body["metadata"]["n"], []).append(request.headers["x-client-request-id"])
    assert len(asked) == len(emulator.conversations)
    # What has the same metadata is of the same task, whose tries came one after another.
    return {
        one["id"]: {"metadata": one["metadata"], "attempt": attempts[one["metadata"]["n"]].pop(0)}
        for one in emulator.conversations
    }
