"""The commands in the README and the documentation do what the text beside them says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from airflow_provider_yandex_conv.hooks import connection
from documents import ROOT, SHELL, blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TRIED = (
    "make ",
    "pip install ",
    "export AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT='{\n",
    "python -m airflow_provider_yandex_conv.emulator\n",
    "airflow pools set ",
    # with the quick start
    "airflow db migrate\nairflow dags test first_conversation\n",
    "curl http://127.0.0.1:8765/_emulator/state |",
)
TARGETS = sorted({name for block in SHELL for name in re.findall(r"^make ([\w-]+)", block.code, re.MULTILINE)})
CONNECTIONS = blocks(SHELL, "export")


def test_every_command_is_tried_by_a_test():
    assert [str(block) for block in SHELL if not block.code.startswith(TRIED)] == []


@pytest.mark.parametrize("target", TARGETS)
def test_the_commands_are_targets_of_make(target):
    """They are run by CI; a test cannot run the tests."""
    subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True, timeout=60)


def test_what_is_installed_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for block in blocks(SHELL, "pip install"):
        for line in block.code.splitlines():
            words = shlex.split(line)
            (what,) = [word for word in words if word.startswith((".", "constraints/"))]
            assert not what.startswith("constraints/") or (ROOT / what).is_file()
            assert set(re.findall(r"\[(.*)\]", what)) <= set(extras)


def stored_connection(*, host="", password="", extra="{}"):
    return connection.StoredConnection(conn_id="x", host=host, port=None, password=password, extra=extra)


@pytest.mark.parametrize("block", CONNECTIONS, ids=str)
def test_a_connection_can_be_read(block):
    stored = json.loads(re.search(r"'(.*)'", block.code, re.DOTALL)[1])
    assert stored["conn_type"] == connection.CONN_TYPE
    password = stored.get("password", "").replace(" ", "-")
    extra = json.dumps(stored["extra"]).replace("<folder id>", "b1g")
    filled = stored_connection(host=stored.get("host", ""), password=password, extra=extra)
    assert connection.parse(filled, lookup=lambda conn_id: stored_connection()).unknown_extras == ()


def test_the_emulator_starts_as_shown():
    (command,) = {block.code for block in blocks(SHELL, "python -m airflow_provider_yandex_conv.emulator")}
    process = subprocess.Popen([sys.executable, *command.split()[1:], "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1\n", process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_the_pool_is_made_as_shown(tmp_path):
    (block,) = blocks(SHELL, "airflow pools set")
    settings = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    said = ""
    for command in ("airflow db migrate", block.code, "airflow pools list --output json"):
        said = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            env=settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
    (pool,) = [one for one in json.loads(said.splitlines()[-1]) if one["pool"] == "yandex_ai_studio"]
    assert (pool["slots"], pool["include_deferred"]) == ("10", "True")


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
