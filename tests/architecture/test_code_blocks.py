"""The Python in the README and the documentation: it runs, and is what the example project holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_yandex_conv.operators import conversations
from documents import BLOCKS, PYTHON, ROOT, SHELL, blocks

try:
    import airflow.sdk as airflow_sdk
except ImportError:  # Airflow 2
    airflow_sdk = None

FILES = [block for block in PYTHON if block.code.startswith("# tests/")]
FIXTURE = [block for block in PYTHON if block.first_line in {"# conftest.py", "# test_conversations.py"}]
SNIPPETS = [block for block in PYTHON if block not in [*FILES, *FIXTURE]]
#: What not every Airflow has, by a word in the code that uses it.
NEEDS = {
    "AssetWatcher": hasattr(airflow_sdk, "AssetWatcher"),
    "RetryPolicy": hasattr(airflow_sdk, "RetryPolicy"),
}


def runnable(code):
    """Return code that this Airflow can run, as the text around it says."""
    return code if airflow_sdk is not None else code.replace("from airflow.sdk import", "from airflow.models import")


def airflow(home, *command):
    """Run a command of Airflow on DAGs in a folder."""
    settings = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "airflow", *command],
        env=settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_there_is_no_code_that_nothing_tries():
    assert {block.language for block in BLOCKS} == {"python", "sh"}


@pytest.mark.parametrize("block", FILES, ids=str)
def test_what_is_shown_of_a_file_is_in_it(block):
    name, text = block.code.split("\n", 1)
    assert text in (ROOT / name.removeprefix("# ")).read_text()


@pytest.mark.parametrize("page", sorted({block.page for block in SNIPPETS}))
def test_the_snippets_of_a_page_run_one_after_the_other_in_a_dag(page, yandex_ai_studio):
    names = {"__name__": "snippets"}
    with DAG("snippets", schedule=None):
        for block in SNIPPETS:
            if block.page != page:
                continue
            if any(word in block.code and not is_there for word, is_there in NEEDS.items()):
                with pytest.raises(ImportError):
                    exec(runnable(block.code), names)
                continue
            exec(runnable(block.code), names)


def test_the_retry_policy_is_taken_by_an_operator_where_airflow_has_policies():
    (block,) = [one for one in SNIPPETS if "YandexAIStudioRetryPolicy" in one.code]
    names = {"__name__": "snippet"}
    if not NEEDS["RetryPolicy"]:
        with pytest.raises(ImportError, match=r"Airflow 3\.3"):
            exec(block.code, names)
        return
    exec(block.code, names)
    assert isinstance(names["create"], conversations.YandexCreateConversationOperator)
    assert type(names["create"].retry_policy) is names["YandexAIStudioRetryPolicy"]


def test_a_model_answers_as_shown(yandex_ai_studio, capsys):
    (block,) = [one for one in SNIPPETS if "require_answer" in one.code]
    exec(block.code, {})
    assert "1 message seen; the last says: How are sales?" in capsys.readouterr().out
    (conversation,) = yandex_ai_studio.conversations
    assert len(conversation["items"]) == 2


def test_the_first_dag_is_short_and_runs(tmp_path, yandex_ai_studio):
    (block,) = [one for one in SNIPPETS if one.page == "README.md" and "with DAG(" in one.code]
    assert len(block.code.splitlines()) <= 18
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "readme.py").write_text(runnable(block.code))
    airflow(tmp_path, "db", "migrate")
    airflow(tmp_path, "dags", "test", "conversations")
    assert yandex_ai_studio.conversations == []
    (stored,) = yandex_ai_studio.deleted_conversations
    assert stored["metadata"]["topic"] == "sales"
    assert [item["role"] for item in stored["items"]] == ["user", "assistant"]


def test_the_fixture_is_used_as_shown(tmp_path):
    for name in ("# conftest.py", "# test_conversations.py"):
        code = {block.code for block in blocks(PYTHON, name)}
        assert len(code) == 1, f"{name} is shown in several ways"
        (tmp_path / name.removeprefix("# ")).write_text(code.pop())
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in ended.stdout, ended.stdout


def test_the_quick_start_leads_to_a_conversation(tmp_path, monkeypatch):
    """Its steps in their order, but on a port that is free."""
    page = "docs/quick-start.md"
    steps = [block.code for block in SHELL if block.page == page]
    (emulator,) = [step for step in steps if step.startswith("python -m")]
    (connection,) = [step for step in steps if step.startswith("export")]
    (commands,) = [step for step in steps if step.startswith("airflow")]
    (look,) = [step for step in steps if step.startswith("curl")]
    (dag,) = [block.code for block in PYTHON if block.page == page]
    process = subprocess.Popen(
        [sys.executable, *emulator.split()[1:], "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        url = process.stdout.readline().strip()
        assert "http://127.0.0.1:8765/v1" in connection
        name, value = re.fullmatch(r"export (\w+)='(.*)'\n", connection, re.DOTALL).groups()
        monkeypatch.setenv(name, value.replace("http://127.0.0.1:8765/v1", url))
        (tmp_path / "dags").mkdir()
        (tmp_path / "dags" / "first_conversation.py").write_text(runnable(dag))
        for command in commands.splitlines():
            airflow(tmp_path, *command.split()[1:])
        where = look.split()[1].replace("http://127.0.0.1:8765", url.removesuffix("/v1"))
        with urllib.request.urlopen(where, timeout=10) as answer:
            (conversation,) = json.load(answer)["conversations"]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
    assert conversation["metadata"]["topic"] == "sales"
    assert [item["role"] for item in conversation["items"]] == ["user", "assistant"]
