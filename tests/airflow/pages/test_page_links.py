"""How a reader gets from a task to the page of its conversation."""

from __future__ import annotations

import pytest

import api_server


@pytest.mark.parametrize("task_id", ["create", "add", "ask"])
def test_the_link_of_a_task_leads_to_its_page(task_id, server, run, talk):
    links = server.links(run("conversing"), task_id)
    assert links == {"Conversation": api_server.path(run("conversing"), task_id)}
    assert talk.id in server.get(links["Conversation"]).text


def test_a_task_of_others_has_no_link(server, run):
    assert server.links(run("conversing"), "other") == {}


def test_mapped_tasks_have_a_link_each(server, run, served):
    outcome = run("conversing_mapped")
    for index in range(3):
        (address,) = server.links(outcome, "create", index).values()
        assert outcome.xcom("create", map_index=index) in server.get(address).text


def test_a_failed_task_has_a_link_and_a_page(server, run):
    outcome = run("conversing_and_failing")
    assert outcome.states()["add"] == "failed"
    (address,) = server.links(outcome, "add").values()
    assert outcome.xcom("create") in server.get(address).text


def test_an_operator_derived_from_ours_has_a_link(server, run):
    outcome = run("conversing_and_failing")
    (address,) = server.links(outcome, "create_for_shop").values()
    assert outcome.xcom("create_for_shop") in server.get(address).text


def test_the_tab_leads_to_the_page(server, run, talk):
    (plugin,) = [one for one in server.get("/api/v2/plugins").json()["plugins"] if one["name"] == "yandex_ai_studio"]
    (view,) = plugin["external_views"]
    assert view["destination"] == "task_instance"
    outcome = run("conversing")
    # Airflow 3.1 fills the names in as they are, and no version fills in the index of a task that is not mapped.
    address = view["href"].replace("{DAG_ID}", outcome.dag_id).replace("{TASK_ID}", "create")
    assert talk.id in server.get(address.replace("{RUN_ID}", outcome.run_id)).text
