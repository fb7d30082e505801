"""Questions whose task, worker or triggerer dies: paid once, and the answer is the one that was paid for."""

from __future__ import annotations

import time

import pytest
from conditions import wait_until

from installation import run_killed

POINTS = {
    "before the intent": {"operation": "getConversation", "skip": 1, "hold": "before"},
    "after the intent": {"operation": "createResponse", "hold": "before", "drop": "close"},
    "after the server applied it": {"operation": "createResponse", "hold": "after"},
    "after the id was stored": {"operation": "getConversation", "skip": 2, "hold": "before"},
    "before XCom": {"operation": "getConversation", "skip": 3, "hold": "before"},
}
#: Where nobody but the server knows whether it was asked.
UNKNOWN = {"after the intent", "after the server applied it"}


def turns(emulator):
    (stored,) = emulator.conversations
    return [(item["role"], item["content"][0]["text"]) for item in stored["items"]]


def assert_paid_once(emulator, run):
    assert run.xcom("ask") == "Forty-two"
    assert len(emulator.responses) == 1
    assert turns(emulator) == [("user", "The answer?"), ("assistant", "Forty-two")]


def asked(emulator):
    return [one for one in emulator.requests if one.operation == "createResponse"]


def kill_at(point, airflow, emulator, dag_id):
    """Kill a question at a point; return its run and when that was."""
    emulator.answer("Forty-two")
    return run_killed(airflow, emulator, dag_id, POINTS[point])


@pytest.mark.parametrize("point", [one for one in POINTS if one != "after the intent"])
def test_a_killed_question_is_paid_once(airflow, emulator, report, point, round_number):
    run, began = kill_at(point, airflow, emulator, "asking")
    assert run.wait() == "success"
    report(f"s from the kill of a question {point} to the run's success", time.monotonic() - began)
    assert run.tries("ask") == 2
    assert_paid_once(emulator, run)


def test_a_question_that_never_arrived_is_looked_for_in_vain(airflow, emulator, round_number):
    run, _ = kill_at("after the intent", airflow, emulator, "asking_shortly")
    assert run.wait() == "failed"
    assert run.tries("ask") == 3  # each looks again, as the server may be late
    assert "holds no answer to it" in run.log()
    assert asked(emulator)[0].headers["x-client-request-id"] in run.log()
    assert (len(asked(emulator)), emulator.responses, turns(emulator)) == (1, [], [])


def test_a_question_that_never_arrived_is_asked_again_where_that_is_allowed(airflow, emulator, round_number):
    run, _ = kill_at("after the intent", airflow, emulator, "asking_again")
    assert run.wait() == "success"
    assert len(asked(emulator)) == 2
    assert_paid_once(emulator, run)


@pytest.mark.parametrize("point", POINTS)
def test_a_question_that_must_not_be_paid_twice_ends_instead(airflow, emulator, point, round_number):
    run, _ = kill_at(point, airflow, emulator, "asking_or_fail")
    assert run.wait() == ("failed" if point in UNKNOWN else "success")
    assert run.tries("ask") == 2  # the last is not begun
    if point in UNKNOWN:
        assert len(emulator.responses) == (point != "after the intent")
        assert len(asked(emulator)) == 1
        assert "The task is not retried, as asking again may pay twice" in run.log()
    else:
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
