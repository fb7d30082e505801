"""A thousand tasks that wait in one triggerer, of its own process and with its own limits."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conditions import wait_until

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from installation import Installation

HERE = Path(__file__).parent
#: What one triggerer takes unless it is told otherwise.
COUNT = 1000


@pytest.fixture
def response_ids(emulator, monkeypatch):
    """A thousand responses that end when they are released."""
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(folder_id="b1g"))
    emulator.answer("Done", hold=True, times=COUNT)
    hook = YandexAIStudioHook()
    return [hook.create_response("Hello", model="yandexgpt", background=True).id for _ in range(COUNT)]


@pytest.fixture
def installation(emulator, response_ids, tmp_path):
    """An Airflow that is nothing but a database of deferred tasks, and a triggerer's to be."""
    (tmp_path / "response_ids.json").write_text(json.dumps(response_ids))
    shutil.copytree(HERE / "deferring", tmp_path / "dags")
    installation = Installation(tmp_path, emulator, RESPONSE_IDS=str(tmp_path / "response_ids.json"))
    try:
        for name, *command in (
            ("migrate", *installation.airflow("db", "migrate")),
            ("reserialize", *installation.airflow("dags", "reserialize")),
            ("defer", sys.executable, str(HERE / "defer_all.py")),
        ):
            installation.processes.run_to_end(name, *command, env=installation.environment)
        yield installation
    finally:
        installation.stop()


def states(installation):
    with sqlite3.connect(installation.home / "airflow.db", timeout=30) as database:
        return dict(database.execute("select state, count(*) from task_instance group by state").fetchall())


def looked_for(emulator):
    return Counter(one.path.rpartition("/")[2] for one in emulator.requests if one.operation == "getResponse")


def test_a_thousand_tasks_wait_in_one_triggerer(installation, emulator, response_ids, report):
    assert states(installation) == {"deferred": COUNT}
    emulator.reset_requests()
    began = time.monotonic()
    installation.start_component("triggerer", "triggerer", "--skip-serve-logs")

    def all_were_looked_for(times):
        found = looked_for(emulator)
        return all(found[one] >= times for one in response_ids)

    check = installation.processes.check
    wait_until(lambda: all_were_looked_for(1), "all are waited for", seconds=300, meanwhile=check)
    report("s until a new triggerer waits for 1,000 responses", time.monotonic() - began)
    wait_until(lambda: all_were_looked_for(4), "all are looked for again and again", seconds=300, meanwhile=check)
    looks, took = sum(looked_for(emulator).values()), time.monotonic() - began
    report("looks a second of 1,000 tasks in one triggerer", looks / took)

    emulator.release()
    released = time.monotonic()
    wait_until(lambda: states(installation) == {"scheduled": COUNT}, "all go on", seconds=300, meanwhile=check)
    report("s until 1,000 tasks have been told of their responses", time.monotonic() - released)
    assert {one.status for one in emulator.requests} == {200}
    blocked = re.findall(r"async thread was blocked for ([\d.]+) seconds", installation.processes.log("triggerer"))
    report(
        "s that the triggerer's loop was blocked, as it says itself (0 for never)", max(map(float, blocked or ["0"]))
    )
