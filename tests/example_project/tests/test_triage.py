"""What the DAG does, judged by what is in Airflow's database and at the server afterwards."""

from __future__ import annotations

import json

import pytest

URGENT = json.dumps({"urgent": True, "reason": "it is dark"})


def questions(yandex_ai_studio):
    """Return the requests to a model that came in."""
    return [one for one in yandex_ai_studio.requests if one.operation == "createResponse"]


@pytest.fixture(autouse=True)
def nothing_is_left_behind(yandex_ai_studio):
    """Neither a conversation nor anything that was said in one."""
    yield
    assert yandex_ai_studio.conversations == []
    assert not any(one["items"] for one in yandex_ai_studio.deleted_conversations)


def test_an_urgent_message_is_called_about(run, yandex_ai_studio):
    yandex_ai_studio.answer(URGENT)
    ended = run("triage", message="It is dark in here.")
    assert ended.state == "success"
    assert ended.xcom("hand_on") == "call: it is dark"
    (deleted,) = yandex_ai_studio.deleted_conversations
    assert deleted["id"] == ended.xcom("create")
    assert deleted["metadata"]["airflow_dag_id"] == "triage"
    assert questions(yandex_ai_studio)[0].body["input"] == "It is dark in here."


def test_a_busy_service_is_waited_for(run, yandex_ai_studio):
    yandex_ai_studio.answer(URGENT)
    yandex_ai_studio.fail("createResponse", status=429, headers={"Retry-After": "0.1"})
    ended = run("triage")
    assert ended.state == "success"
    assert [one.status for one in questions(yandex_ai_studio)] == [429, 200]
    assert ended.task("judge").try_number == 1  # the task waited, Airflow did not


def test_an_answer_that_is_lost_is_found_again_and_paid_once(run, yandex_ai_studio):
    yandex_ai_studio.answer(URGENT)
    yandex_ai_studio.fail("createResponse", applied=True, drop="reset")
    ended = run("triage")
    assert ended.state == "success"
    assert ended.xcom("hand_on") == "call: it is dark"
    assert len(yandex_ai_studio.responses) == 1


def test_what_is_no_verdict_is_asked_for_again(run, yandex_ai_studio):
    yandex_ai_studio.answer("Yes, rather.")
    yandex_ai_studio.answer(URGENT)
    ended = run("triage")
    assert ended.state == "success"
    assert ended.task("judge").try_number == 2
    assert len(yandex_ai_studio.responses) == 2  # both are billed


@pytest.mark.parametrize(
    ("answer", "tries"),
    [({"text": "Yes, rather."}, 3), ({"refusal": "I would rather not say."}, 1)],
    ids=["never a verdict", "a refusal"],
)
def test_a_run_without_a_verdict_fails(run, yandex_ai_studio, answer, tries):
    yandex_ai_studio.answer(**answer, times=None)
    ended = run("triage")
    assert ended.state == "failed"
    assert str(ended.task("judge").state) == "failed"
    assert str(ended.task("delete").state) == "success"
    assert len(yandex_ai_studio.responses) == tries  # each is billed


def test_a_create_that_may_have_been_applied_is_not_repeated(run, yandex_ai_studio):
    yandex_ai_studio.fail("createConversation", status=503)  # before the server has created anything
    ended = run("triage")
    assert ended.state == "failed"
    assert ended.task("create").try_number == 1
    assert [one.operation for one in yandex_ai_studio.requests] == ["createConversation"]
