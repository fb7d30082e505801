"""The README: its code runs, its tables are complete."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.operators import conversations, items, responses
from airflow_provider_yandex_conv.sensors import items as item_sensors
from airflow_provider_yandex_conv.sensors import responses as response_sensors

try:
    import airflow.sdk as airflow_sdk
except ImportError:  # Airflow 2
    airflow_sdk = None

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "sh"]


def block(blocks, start):
    (found,) = [code for code in blocks if code.startswith(start)]
    return found


def table(heading):
    """Return the rows of the first table below a heading."""
    below = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def test_every_code_block_is_tried_by_a_test_here():
    assert [code.split("\n")[0] for code in PYTHON] == [
        "from datetime import datetime",
        "from airflow_provider_yandex_conv.api.outcome import require_answer",
        "from airflow_provider_yandex_conv.retry_policy import YandexAIStudioRetryPolicy",
        "# conftest.py",
        "# test_conversations.py",
    ]
    assert [code.split("\n")[0] for code in SHELL] == [
        "make demo",
        "make test",
        "pip install .",
        "pip install --require-hashes -r constraints/airflow-3.3.txt",
        "export AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT='{",
        "python -m airflow_provider_yandex_conv.emulator",
    ]
    assert {language for language, _ in BLOCKS} == {"python", "sh"}


def test_the_retry_policy_is_taken_by_an_operator_where_airflow_has_policies():
    code = block(PYTHON, "from airflow_provider_yandex_conv.retry_policy")
    names = {"YandexCreateConversationOperator": conversations.YandexCreateConversationOperator}
    if not hasattr(airflow_sdk, "RetryPolicy"):
        with pytest.raises(ImportError, match=r"Airflow 3\.3"):
            exec(code, names)
        return
    exec(code, names)
    assert type(names["create"].retry_policy) is names["YandexAIStudioRetryPolicy"]


def test_the_first_dag_is_short_and_runs(tmp_path, yandex_ai_studio):
    code = block(PYTHON, "from datetime")
    assert len(code.splitlines()) <= 15
    if airflow_sdk is None:
        code = code.replace("from airflow.sdk import", "from airflow.models import")  # as the text below it says
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "readme.py").write_text(code)
    settings = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    for command in (["db", "migrate"], ["dags", "test", "conversations"]):
        ended = subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            env=settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    assert yandex_ai_studio.conversations == []
    (stored,) = yandex_ai_studio.deleted_conversations
    assert stored["metadata"]["topic"] == "sales"
    operations = [request.operation for request in yandex_ai_studio.requests]
    assert operations == ["createConversation", "getConversation", "deleteConversation"]


def test_a_model_answers_as_shown(yandex_ai_studio, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", yandex_ai_studio.connection(folder_id="b1g"))
    exec(block(PYTHON, "from airflow_provider_yandex_conv.api.outcome"), {})
    assert "1 message seen; the last says: How are sales?" in capsys.readouterr().out
    (conversation,) = yandex_ai_studio.conversations
    assert len(conversation["items"]) == 2


def test_the_fixture_is_used_as_shown(tmp_path):
    (tmp_path / "conftest.py").write_text(block(PYTHON, "# conftest.py"))
    (tmp_path / "test_conversations.py").write_text(block(PYTHON, "# test_conversations.py"))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in ended.stdout, ended.stdout


def test_the_connection_is_one():
    value = re.search(r"'(.*)'", block(SHELL, "export"), re.DOTALL)[1]
    stored = json.loads(value)
    assert stored["conn_type"] == connection.CONN_TYPE
    filled = {"password": stored["password"].replace(" ", "-"), "extra": '{"folder_id": "b1g"}'}
    assert set(stored["extra"]) == {"folder_id"}
    settings = connection.parse(connection.StoredConnection(conn_id="x", host="", port=None, **filled))
    assert settings.unknown_extras == ()


def test_the_emulator_starts_as_shown():
    command = block(SHELL, "python -m airflow_provider_yandex_conv.emulator").split()
    process = subprocess.Popen([sys.executable, *command[1:], "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1\n", process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_commands_are_targets_of_make(target):
    """They are run by CI; a test cannot run the tests."""
    assert block(SHELL, f"make {target}")
    subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True, timeout=60)


def test_the_demo_shows_the_id_the_xcoms_and_what_was_stored():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YC_")}
    ended = subprocess.run(
        [sys.executable, "demo.py"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    conversation_id = re.search(r"^Conversation id: (\S+)$", ended.stdout, re.MULTILINE)[1]
    assert f'create.return_value = "{conversation_id}"' in ended.stdout
    assert f"GET    /v1/conversations/{conversation_id} -> 200" in ended.stdout
    stored = ended.stdout.split("What the server stored")[1]
    assert conversation_id in stored
    assert "airflow_task_id = create" in stored


def test_the_connection_table_names_every_field():
    assert [row[0] for row in table("Connection")] == [
        "host",
        "password",
        *(f"extra `{field.name}`" for field in connection.FIELDS),
    ]


@pytest.mark.parametrize(
    ("heading", "modules"),
    [("Operators", (conversations, items, responses)), ("Sensors", (item_sensors, response_sensors))],
)
def test_the_tables_name_every_operator_and_sensor_and_its_templated_arguments(heading, modules):
    kinds = {
        name: kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    }
    rows = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table(heading)}
    assert rows == {name: list(kind.template_fields[1:]) for name, kind in kinds.items()}


def test_every_file_that_is_linked_exists():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
