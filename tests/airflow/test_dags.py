"""Whole DAG runs with real Airflow, judged by what is in its database and at the emulator afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import airflow
import pytest

from airflow_provider_yandex_conv.emulator.server import Emulator

AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])
EXAMPLES = {file.stem for file in (Path(__file__).parents[2] / "dags_examples").glob("*.py")}
if AIRFLOW < (3, 1):
    EXAMPLES -= {"approve_the_answer"}  # Airflow asks people from 3.1 on


def test_every_dag_can_be_parsed_without_a_connection(dag_bag, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", raising=False)
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) >= EXAMPLES
    assert ("approve_the_answer" in dag_bag.dags) == (AIRFLOW >= (3, 1))


def test_the_daily_example_creates_uses_and_deletes_one_conversation(run_dag, emulator):
    outcome = run_dag("daily_conversation")
    assert outcome.state == "success"
    assert outcome.states() == dict.fromkeys(["create", "label", "describe", "delete"], "success")

    (stored,) = emulator.deleted_conversations
    assert emulator.conversations == []
    assert outcome.xcom("create") == stored["id"]
    assert outcome.xcom("create", "conversation")["id"] == stored["id"]
    assert outcome.xcom("create", "request_id")
    assert outcome.xcom("describe") == f"{stored['id']} is open"
    assert stored["metadata"] == {
        "airflow_dag_id": "daily_conversation",
        "airflow_run_id": outcome.run_id,
        "airflow_task_id": "create",
        "airflow_map_index": "-1",
        "report": "sales",
        "run": outcome.run_id,
        "status": "open",
    }
    assert [item["role"] for item in stored["items"]] == ["developer"]
    assert [request.operation for request in emulator.requests] == [
        "createConversation",
        "getConversation",
        "updateConversation",
        "getConversation",
        "deleteConversation",
    ]


def test_the_turn_by_turn_example_reads_back_what_it_said(run_dag, emulator):
    outcome = run_dag("turn_by_turn")
    assert outcome.state == "success"
    assert outcome.xcom("transcript") == (
        "system: You know the stock of a shop.\nuser: How many lamps are left?\nassistant: Seven."
    )
    (stored,) = emulator.deleted_conversations
    assert emulator.conversations == []
    assert outcome.xcom("create") == stored["id"]
    assert stored["items"] == []
    assert [item["id"] for item in outcome.xcom("read")][1:] == outcome.xcom("ask") + outcome.xcom("answer")


def test_the_asking_example_branches_on_the_answer(run_dag, emulator, with_folder):
    emulator.answer('{"urgent": true, "reason": "it is dark"}', usage={"input_tokens": 9, "output_tokens": 5})
    outcome = run_dag("ask_and_branch")
    assert outcome.state == "success"
    assert outcome.states() == {
        **dict.fromkeys(["create", "judge", "decide", "call", "delete"], "success"),
        "file": "skipped",
    }
    assert outcome.xcom("judge") == {"urgent": True, "reason": "it is dark"}
    assert outcome.xcom("call") == "Calling: it is dark"
    (response,) = emulator.responses
    assert outcome.xcom("judge", "response_id") == response["id"]
    assert outcome.xcom("judge", "usage")["1"]["total_tokens"] == 14
    (deleted,) = emulator.deleted_conversations
    assert [item["role"] for item in deleted["items"]] == ["developer", "user", "assistant"]
    asked = next(one for one in emulator.requests if one.operation == "createResponse")
    assert (asked.body["model"], asked.body["background"]) == ("gpt://b1g/yandexgpt", True)


def test_the_nightly_example_keeps_one_conversation_per_customer(run_dag, emulator, with_folder):
    from airflow.models import Pool

    Pool.create_or_update_pool("yandex_ai_studio", slots=10, description="", include_deferred=True)
    for _ in range(2):
        outcome = run_dag("nightly_per_customer")
        assert outcome.state == "success"
    assert sorted(one["metadata"]["customer"] for one in emulator.conversations) == ["ada", "grace", "mary"]
    for one in emulator.conversations:
        assert [item["role"] for item in one["items"]] == ["user", "assistant", "user", "assistant"]
    assert len(emulator.responses) == 6


@pytest.fixture
def with_folder(emulator, monkeypatch):
    """Give the connection a folder, which completes the names of models."""
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(folder_id="b1g"))


def test_the_example_with_a_service_account_needs_no_api_key(run_dag, monkeypatch, tmp_path):
    with Emulator(api_key="another") as server:
        (tmp_path / "authorized_key.json").write_text(json.dumps(server.new_service_account_key()))
        extra = {
            "auth_type": "service_account",
            "service_account_key_path": str(tmp_path / "authorized_key.json"),
            "folder_id": "b1g",
            "iam_url": server.iam_url,
        }
        stored = {"conn_type": "yandex_ai_studio", "host": server.base_url, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_SERVICE_ACCOUNT", json.dumps(stored))
        outcome = run_dag("service_account")
        assert outcome.states() == {"create": "success", "read": "success", "delete": "success"}
        assert server.conversations == []
        (stored,) = server.deleted_conversations
        assert outcome.xcom("create") == outcome.xcom("read")["id"] == stored["id"]
        assert [request.operation for request in server.requests] == [
            "createIamToken",
            "createConversation",
            "createIamToken",  # each task has a hook of its own
            "getConversation",
            "createIamToken",
            "deleteConversation",
        ]


def test_recreate_ends_in_success_with_the_lost_attempt_named(run_dag, emulator, logged):
    emulator.fail("createConversation", status=503, applied=True)
    outcome = run_dag("creating_or_recreate")
    assert outcome.state == "success"
    lost, kept = emulator.conversations
    assert outcome.xcom("create") == kept["id"]
    assert lost["metadata"] == kept["metadata"]
    assert f"x-client-request-id {emulator.requests[0].headers['x-client-request-id']}" in logged()


def test_fail_leaves_the_retries_of_the_task_unused(run_dag, emulator):
    emulator.fail("createConversation", status=503, applied=True)
    outcome = run_dag("creating_or_fail")
    assert (outcome.state, outcome.tries("create")) == ("failed", 1)
    assert len(emulator.requests) == len(emulator.conversations) == 1
    assert outcome.xcom("create") is None


def test_a_retry_of_the_task_mends_what_it_can(run_dag, emulator):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "3600"})
    outcome = run_dag("creating_or_fail")
    assert (outcome.state, outcome.tries("create")) == ("success", 2)
    assert outcome.xcom("create") == emulator.conversations[0]["id"]


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (503, 2)], ids=["for good", "for a while"])
def test_a_task_without_a_token_is_retried_only_where_that_can_help(run_dag, monkeypatch, emulator, status, tries):
    monkeypatch.setenv("YC_METADATA_ADDR", emulator.metadata_address)
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(auth_type="metadata"))
    emulator.fail("getMetadataToken", status=status, times=3)  # all attempts of the first try
    outcome = run_dag("creating_or_fail")
    assert (outcome.state, outcome.tries("create")) == ("failed" if tries == 1 else "success", tries)
    assert len(emulator.conversations) == tries - 1


def test_a_mapped_create_makes_one_conversation_per_item(run_dag, emulator):
    outcome = run_dag("creating_mapped")
    assert outcome.state == "success"
    by_index = {one["metadata"]["airflow_map_index"]: one for one in emulator.conversations}
    assert {index: one["metadata"]["customer"] for index, one in by_index.items()} == {"0": "a", "1": "b", "2": "c"}
    for index, one in by_index.items():
        assert outcome.xcom("create", map_index=int(index)) == one["id"]


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has the task state store from 3.3 on")
def test_a_retry_uses_what_the_try_before_created(run_dag, emulator, logged):
    outcome = run_dag("creating_in_two_tries")
    assert outcome.state == "success"
    by_index = {one["metadata"]["airflow_map_index"]: one for one in emulator.conversations}
    assert {index: one["metadata"]["customer"] for index, one in by_index.items()} == {"0": "a", "1": "b"}
    assert len(emulator.conversations) == 2
    for index, one in by_index.items():
        assert outcome.xcom("create", map_index=int(index)) == one["id"]
        assert f"Using conversation {one['id']}, which an earlier try of this task created" in logged()


@pytest.mark.skipif(AIRFLOW >= (3, 3), reason="Airflow below 3.3 has no task state store")
def test_an_airflow_without_a_store_creates_again_on_a_retry_as_it_says(run_dag, emulator, logged):
    assert run_dag("creating_in_two_tries").state == "success"
    assert len(emulator.conversations) == 4
    assert "This Airflow has no task state store (3.3 has one)" in logged()


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has the task state store from 3.3 on")
def test_a_retry_adds_what_the_try_before_left(run_dag, emulator):
    emulator.fail("createConversationItems", skip=1, drop="reset", applied=True)
    emulator.fail("listConversationItems", skip=1, status=503, times=3)  # so that the first try cannot make up for it
    outcome = run_dag("adding_in_two_tries")
    assert (outcome.state, outcome.tries("add")) == ("success", 2)
    (stored,) = emulator.conversations
    assert [item["content"][0]["text"] for item in stored["items"]] == [str(number) for number in range(50)]
    assert outcome.xcom("add") == [item["id"] for item in stored["items"]]


@pytest.mark.parametrize(
    ("dag_id", "operation"),
    [
        ("daily_conversation", "updateConversation"),
        ("turn_by_turn", "createConversationItems"),
        ("ask_and_branch", "createResponse"),
        ("nightly_batch", "createConversationItems"),
    ],
)
def test_an_example_whose_work_fails_deletes_and_fails(run_dag, emulator, dag_id, operation):
    emulator.fail(operation, status=400)
    outcome = run_dag(dag_id)
    assert (outcome.state, outcome.states()["delete"]) == ("failed", "success")
    assert emulator.conversations == []
    assert emulator.deleted_conversations


def test_a_run_can_fail_by_its_work_and_by_its_teardown(run_dag, emulator):
    """With ``on_failure_fail_dagrun`` alone, Airflow would look at the teardown in place of the work."""
    outcome = run_dag("creating_and_failing_either")
    assert outcome.states() == {"create": "success", "fail": "failed", "done": "upstream_failed", "delete": "success"}
    assert outcome.state == "failed"


def test_the_teardown_deletes_when_a_task_in_between_has_failed(run_dag, emulator):
    outcome = run_dag("creating_and_failing")
    assert outcome.states() == {"create": "success", "fail": "failed", "delete": "success"}
    assert outcome.state == "failed"
    assert emulator.conversations == []
    assert len(emulator.deleted_conversations) == 1


@pytest.mark.parametrize("dag_id", ["daily_conversation", "service_account", "creating_mapped"])
def test_dags_survive_serialization(dag_bag, dag_id):
    from airflow.serialization.serialized_objects import SerializedDAG

    to_dict = getattr(SerializedDAG, "to_dict", None)
    if to_dict is None:
        from airflow.serialization.serialized_objects import DagSerialization

        to_dict = DagSerialization.to_dict
    assert dag_id in str(to_dict(dag_bag.dags[dag_id]))
