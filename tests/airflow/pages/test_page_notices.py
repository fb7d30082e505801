"""What the page says where there is no conversation to be seen."""

from __future__ import annotations

import threading

import pytest

import api_server
from airflow_provider_yandex_conv.ui import app as ui_app
from airflow_provider_yandex_conv.ui import thread
from api_server import Page


def test_a_task_of_others_has_none(read):
    assert "This task has no conversation" in read("other").text


@pytest.fixture(params=["running"])
def begun(run, request):
    """Make the run as it was when its first task had begun, and had come no further; or was in another state then."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    of_the_task = {"dag_id": "conversing_in_secret", "run_id": run("conversing_in_secret").run_id, "task_id": "create"}
    with create_session() as session:
        session.query(XComModel).filter_by(**of_the_task).delete()
        session.query(TaskInstance).filter_by(**of_the_task).one().state = request.param
    return run("conversing_in_secret")


def test_a_task_that_has_not_come_so_far_has_none_yet(server, begun):
    (address,) = server.links(begun, "create").values()
    assert "There is no conversation yet" in Page(server.get(address).text).text


@pytest.mark.parametrize("begun", ["skipped"], indirect=True)
def test_a_task_that_was_skipped_has_none(server, begun):
    (address,) = server.links(begun, "create").values()
    said = Page(server.get(address).text).text
    assert "This task has no conversation" in said
    assert "It was skipped." in said


def test_a_task_instance_that_is_not_there(server, run):
    for address in (api_server.path(run("conversing"), "nothing"), api_server.path(run("conversing"), "create", 7)):
        assert server.get(address).status_code == 404


def test_a_deleted_conversation_is_said_to_be_gone(read, talk, served):
    del served._service.state.conversations[talk.id]
    page = Page(read().text)
    assert "does not exist any more" in page.text
    assert talk.id in page.text


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 401}, "refused the credentials"),
        ({"status": 403}, "refused the credentials"),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, "asked too much"),
        ({"status": 500}, "status 500"),
        ({"status": 503, "body": "<html><script>alert(1)</script>"}, "status 503"),
        ({"drop": "reset"}, "cannot be reached"),
    ],
)
@pytest.mark.parametrize("operation", ["getConversation", "listConversationItems"])
def test_trouble_is_told_plainly(fault, said, operation, read, talk, served):
    served.fail(operation, times=None, **fault)
    answer = read()
    assert answer.status_code == 200
    assert said in Page(answer.text).text
    assert "<script>alert" not in answer.text


def test_a_service_that_does_not_answer_is_not_waited_for_for_long(read, talk, served, monkeypatch):
    monkeypatch.setattr(thread, "_TIMEOUT_READ", 0.2)
    served.fail("getConversation", delay=30, times=None)
    assert "cannot be reached" in Page(read().text).text
    served._service.release()


def test_a_connection_that_is_gone_is_told(read, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", '{"conn_type": "yandex_ai_studio", "host": "nonsense"}')
    assert "cannot be used" in Page(read().text).text


def test_too_many_readers_at_once_are_told_so(read, monkeypatch):
    monkeypatch.setattr(ui_app, "turns", threading.BoundedSemaphore(1))
    with ui_app.turns:
        answer = read()
    assert answer.status_code == 503
    assert read().status_code == 200


def test_a_fault_of_the_page_is_no_blank_page(server, run, monkeypatch):
    monkeypatch.setattr(ui_app, "conversation_of", lambda task: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        server.get(api_server.path(run("conversing"), "create"))
    client = type(server.client)(server.client.app, raise_server_exceptions=False)
    token = server._token("reader")
    answer = client.get(api_server.path(run("conversing"), "create"), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 500
    assert "This page has a fault" in answer.text
    assert "division" not in answer.text
