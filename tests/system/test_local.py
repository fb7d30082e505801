"""Tasks whose processes die at a known point: what Airflow ends up with, and what exists at the server."""

from __future__ import annotations

import signal
import time

import psutil
import pytest
from conditions import wait_until

from installation import held_process, run_killed
from processes import kill_hard, send

#: Where the task is held when it is killed, and what the server makes of the request that is held.
POINTS = {
    "before the intent": {"operation": "getConversation", "skip": 1, "hold": "before"},
    "after the intent": {"operation": "createConversation", "hold": "before", "drop": "close"},
    "after the server applied it": {"operation": "createConversation", "hold": "after"},
    "after the id was stored": {"operation": "getConversation", "skip": 2, "hold": "before"},
    "before XCom": {"operation": "getConversation", "skip": 3, "hold": "before"},
}


def creates(emulator):
    return [one for one in emulator.requests if one.operation == "createConversation"]


def marker_of(run):
    return {"airflow_dag_id": run.dag_id, "airflow_run_id": run.run_id, "airflow_task_id": "create"}


def assert_says_what_it_left(run, request):
    """A WARNING names the attempt and the metadata by which what it left behind can be told, in one line."""
    marks = [f"{name}={value}" for name, value in marker_of(run).items()]
    wanted = ["may have left a conversation behind", request.headers["x-client-request-id"], *marks]
    assert any(all(one in line for one in wanted) for line in run.log().splitlines()), wanted


def test_a_scheduled_dag_runs_by_itself(airflow, emulator):
    airflow.unpause("scheduled")
    (run,) = wait_until(lambda: airflow.runs("scheduled"), "a run has begun")
    assert run.wait() == "success"
    assert [one["id"] for one in emulator.conversations] == [run.xcom("create")]


@pytest.mark.parametrize("point", POINTS)
def test_a_task_that_is_killed_leaves_one_conversation(airflow, emulator, report, point, round_number):
    run, began = run_killed(airflow, emulator, "creating", POINTS[point])
    assert run.wait() == "success"
    report(f"s from the kill {point} to the run's success", time.monotonic() - began)
    assert run.tries("create") == 2
    existing = {one["id"]: one for one in emulator.conversations}
    orphan = existing.pop(first_id(emulator)) if point == "after the server applied it" else None
    assert list(existing) == [run.xcom("create")]
    if orphan is not None:
        assert orphan["metadata"].items() >= marker_of(run).items()
        assert_says_what_it_left(run, creates(emulator)[0])
    assert len(creates(emulator)) == {"before the intent": 1, "after the id was stored": 1, "before XCom": 1}.get(
        point, 2
    )


def first_id(emulator):
    return emulator.conversations[0]["id"]


@pytest.mark.parametrize(("point", "left"), [("after the intent", 0), ("after the server applied it", 1)])
def test_a_task_that_must_not_create_twice_ends_instead(airflow, emulator, point, left, round_number):
    run, _ = run_killed(airflow, emulator, "creating_or_fail", POINTS[point])
    assert run.wait() == "failed"
    assert run.tries("create") == 2
    assert len(emulator.conversations) == left
    (request,) = creates(emulator)
    assert_says_what_it_left(run, request)


def test_a_task_that_outlives_its_supervisor_takes_back_what_it_creates(airflow, emulator, report, round_number):
    emulator.fail("createConversation", hold="after")
    run = airflow.trigger("creating")
    _, supervisor = held_process(emulator)
    began = time.monotonic()
    kill_hard(supervisor)
    assert run.wait() == "success"
    report("s from the kill of the supervisor to the run's success", time.monotonic() - began)
    assert run.tries("create") == 2
    assert len(emulator.conversations) == 2
    emulator.release()
    wait_until(lambda: emulator.deleted_conversations, "the orphan has taken back what it created")
    assert [one["id"] for one in emulator.conversations] == [run.xcom("create")]
    assert_says_what_it_left(run, creates(emulator)[0])


def test_a_killed_add_stores_each_item_once(airflow, emulator, round_number):
    fault = {"operation": "createConversationItems", "skip": 1, "hold": "after"}
    run, _ = run_killed(airflow, emulator, "adding", fault)
    assert run.wait() == "success"
    assert run.tries("add") == 2
    (stored,) = emulator.conversations
    assert [item["content"][0]["text"] for item in stored["items"]] == [str(number) for number in range(50)]
    assert run.xcom("add") == [item["id"] for item in stored["items"]]


def test_a_task_that_is_told_to_stop_goes_and_is_tried_again(airflow, emulator, report, round_number):
    emulator.fail("createConversation", hold="after")
    run = airflow.trigger("creating")
    task, _ = held_process(emulator)
    seconds = send(signal.SIGTERM, task)
    assert seconds < 5  # as Airflow kills it then
    report("s from SIGTERM in a request to the end of the process", seconds)
    emulator.release()
    assert run.wait() == "success"
    assert run.tries("create") == 2
    assert_says_what_it_left(run, creates(emulator)[0])
    assert run.xcom("create") == emulator.conversations[-1]["id"]


def test_a_task_that_a_person_marks_as_failed_goes(airflow, emulator, round_number):
    emulator.fail("createConversation", hold="after")
    run = airflow.trigger("creating")
    task, _ = held_process(emulator)
    run.set_state("create", "failed")
    wait_until(lambda: not psutil.pid_exists(task), "the process is gone")
    emulator.release()
    assert run.wait() == "failed"
    (request,) = creates(emulator)
    assert_says_what_it_left(run, request)


def test_a_cleared_task_begins_anew_and_says_what_stays(airflow, emulator):
    run = airflow.trigger("creating")
    assert run.wait() == "success"
    before = run.xcom("create")
    run.clear("create")
    wait_until(lambda: run.state == "running" or run.tries("create") == 2, "it has begun again")
    wait_until(lambda: run.tries("create") == 2 and run.state == "success", "it has ended again")
    assert [one["id"] for one in emulator.conversations] == [before, run.xcom("create")]
    assert f"Creating another conversation, as the task was cleared: conversation {before} of before stays" in run.log()
