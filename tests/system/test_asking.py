"""Questions whose task, worker or triggerer dies: paid once, and the answer is the one that was paid for."""

from __future__ import annotations

import time

import pytest

from installation import held_process
from processes import kill_hard, wait_until

POINTS = {
    "before the intent": {"operation": "getConversation", "skip": 1, "hold": "before"},
    "after the server applied it": {"operation": "createResponse", "hold": "after"},
    "after the id was stored": {"operation": "getConversation", "skip": 2, "hold": "before"},
    "before XCom": {"operation": "getConversation", "skip": 3, "hold": "before"},
}


def turns(emulator):
    (stored,) = emulator.conversations
    return [(item["role"], item["content"][0]["text"]) for item in stored["items"]]


def assert_paid_once(emulator, run):
    assert run.xcom("ask") == "Forty-two"
    assert len(emulator.responses) == 1
    assert turns(emulator) == [("user", "The answer?"), ("assistant", "Forty-two")]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_question_is_paid_once(airflow, emulator, report, point, round_number):
    emulator.answer("Forty-two")
    emulator.fail(**POINTS[point])
    run = airflow.trigger("asking")
    task, _ = held_process(emulator)
    began = time.monotonic()
    kill_hard(task)
    emulator.release()
    assert run.wait() == "success"
    report(f"s from the kill of a question {point} to the run's success", time.monotonic() - began)
    assert run.tries("ask") == 2
    assert_paid_once(emulator, run)


def test_a_killed_triggerer_waits_on_for_the_same_response(airflow, emulator, report, round_number):
    emulator.answer("Forty-two", hold=True)
    run = airflow.trigger("asking_deferred")
    wait_until(lambda: [one for one in emulator.requests if one.operation == "getResponse"], "it is waited for")
    wait_until(lambda: ("ask", -1, "deferred") in run.states(), "the task is deferred")
    began = time.monotonic()
    airflow.processes.kill_all_of("triggerer")
    airflow.start_component("triggerer", "triggerer", "--skip-serve-logs")
    emulator.release()
    assert run.wait() == "success"
    report("s from the kill of the triggerer to the run's success", time.monotonic() - began)
    assert_paid_once(emulator, run)
    assert len([one for one in emulator.requests if one.operation == "createResponse"]) == 1
