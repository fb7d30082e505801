"""Who may read the page of a conversation, and how far."""

from __future__ import annotations

import re

import pytest

import api_server
from api_server import Page


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(server, run):
    address = api_server.path(run("conversing"), "create")
    answer = server.get(address, user=None)
    assert answer.status_code == 302
    login = server.client.get(answer.headers["location"])
    assert login.status_code == 307
    assert login.headers["location"].split("next=")[0].endswith("/auth/login?")
    # Airflow 3.1 hands the address on as it is, 3.3 encoded.
    assert re.search(r"yandex-ai-studio(%2F|/)conversation(%2F|/)conversing", login.headers["location"])


def test_who_may_not_read_the_dag_gets_403(server, run):
    outcome = run(api_server.SECRET_DAG)
    for user in ("outsider", "nosy"):
        answer = server.get(api_server.path(outcome, "create"), user=user)
        assert answer.status_code == 403
        assert outcome.xcom("create") not in answer.text
    assert server.get(api_server.path(run("conversing"), "create"), user="outsider").status_code == 200
    assert server.get(api_server.path(outcome, "create")).status_code == 200


def test_a_token_that_is_none_gets_nothing(server, run, talk):
    answer = server.client.get(
        api_server.path(run("conversing"), "create"), headers={"Authorization": "Bearer nonsense"}
    )
    assert answer.status_code in {302, 403}
    assert talk.id not in answer.text


def test_the_address_of_another_dag_s_page_leads_no_further(server, run, read):
    """A cursor of one conversation is none of another, and no part of an address names a conversation."""
    (older,) = [attrs["href"] for attrs in Page(read().text).of("a") if attrs.get("rel") == "prev"]
    other = run(api_server.SECRET_DAG)
    assert server.get(api_server.path(other, "create") + older).status_code == 404
    for smuggled in ("?conversation_id=", "?yandex_ai_studio_conn_id=", "?before=", "?after="):
        answer = server.get(api_server.path(run("conversing"), "other") + smuggled + other.xcom("create"))
        assert "This task has no conversation" in answer.text


@pytest.mark.parametrize("cursor", ["msg_1", "", "x" * 500, "é" * 40, "%00", "..%2F..%2Fresponses"])
def test_a_cursor_that_was_made_up_is_refused(cursor, read, served):
    served.reset_requests()
    assert read(query=f"?before={cursor}").status_code == 404
    assert served.requests == []


@pytest.fixture
def push(run):
    """Return a function that puts a value into an XCom of a task, as who may edit XComs can."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    def put(task_id, key, value):
        with create_session() as session:
            row = (
                session.query(XComModel)
                .filter_by(dag_id="conversing", run_id=run("conversing").run_id, task_id=task_id, key=key)
                .one()
            )
            before, row.value = row.value, value
        return before

    done = []
    yield lambda key, value, task_id="create": done.append((task_id, key, put(task_id, key, value)))
    for task_id, key, before in reversed(done):
        put(task_id, key, before)


def test_an_id_pushed_by_hand_shows_no_conversation_of_another_dag(run, read, push):
    push("conversation", {"id": run(api_server.SECRET_DAG).xcom("create")})
    answer = read()
    assert answer.status_code == 403
    assert "another DAG" in answer.text


@pytest.mark.parametrize("task_id", ["add", "ask"])
def test_nor_does_it_where_a_task_that_was_given_one_is_of_long_ago(task_id, run, read, push, forget):
    """What the task was given is not known any more then, and the XCom is all there is."""
    forget(run("conversing"), task_id)
    push("conversation_id", run(api_server.SECRET_DAG).xcom("create"), task_id)
    answer = read(task_id)
    assert answer.status_code == 403
    assert "another DAG" in answer.text


@pytest.mark.parametrize("value", [None, 7, [], {}, {"id": None}, {"id": ["x"]}, {"id": ""}, "{", {"id": "{{ x }}"}])
def test_what_is_no_id_is_none(value, read, push):
    push("conversation", value)
    assert "This task has no conversation" in read().text


@pytest.mark.parametrize("value", ["../responses/x", "a/../../b", "x?y=z", "x#y", "..", "\ud800"])
def test_an_id_reaches_nothing_but_conversations(value, read, push, served):
    served.reset_requests()
    push("conversation", {"id": value})
    assert read().status_code in {200, 500}
    assert {request.operation for request in served.requests} <= {"getConversation", None}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(method, server, run):
    answer = server.client.request(method, api_server.path(run("conversing"), "create"))
    assert answer.status_code == 405


def test_the_files_of_the_page_are_for_users_as_well(server):
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
        answer = server.get(f"/yandex-ai-studio/static/{name}")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
        assert server.get(f"/yandex-ai-studio/static/{name}", user=None).status_code == 302
    for name in ("app.py", "..%2Fapp.py", "..%2Ftemplates%2Fbase.html"):
        assert server.get(f"/yandex-ai-studio/static/{name}").status_code == 404


def test_the_key_stays_in_the_server(read, talk, served):
    seen = read("ask").text
    served.fail("getConversation", status=401, times=None)
    seen += read("ask").text
    assert "hush" not in seen
    assert served.base_url not in seen


ANSWERS = ["shown", "refused", "missing", "no page", "method"]


@pytest.mark.parametrize("what", ANSWERS)
def test_every_answer_carries_what_keeps_it_harmless(what, server, run):
    address = api_server.path(run("conversing"), "create")
    answer = {
        "shown": lambda: server.get(address),
        "refused": lambda: server.get(address, user=None),
        "missing": lambda: server.get(api_server.path(run("conversing"), "nothing")),
        "no page": lambda: server.get("/yandex-ai-studio/nothing"),
        "method": lambda: server.client.post(address),
    }[what]()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
