"""An asset watcher in a real triggerer, which is killed: each item changes the asset, and once."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from conditions import wait_until

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from installation import Installation


class Watched:
    """An Airflow with a triggerer only, and what its database says of the asset."""

    def __init__(self, home, emulator, conversation_id):
        self._installation = Installation(
            home,
            emulator,
            CONVERSATION_ID=conversation_id,
            # How long another triggerer takes the dead one for alive.
            AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD="3",
            AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC="1",
        )
        self.processes = self._installation.processes
        self._database = home / "airflow.db"
        shutil.copytree(Path(__file__).parent / "watching", home / "dags")
        self._to_end("db", "migrate")
        # Airflow takes an asset for active when it meets it the second time.
        for _ in range(2):
            self._to_end("dags", "reserialize")

    def start(self):
        self._installation.start_component("triggerer", "triggerer", "--skip-serve-logs")

    def events(self):
        """Return the ids of the items for which the asset has changed."""
        return [json.loads(extra)["payload"]["item_id"] for (extra,) in self._rows("select extra from asset_event")]

    def read(self):
        """Return what the state store of the asset holds: the ids of the items that were read last."""
        return [item for (value,) in self._rows("select value from asset_state_store") for item in json.loads(value)]

    def until(self, condition, what):
        wait_until(condition, what, meanwhile=self.processes.check)

    def _to_end(self, *command):
        self.processes.run_to_end(
            "-".join(command), *self._installation.airflow(*command), env=self._installation.environment
        )

    def _rows(self, query):
        with sqlite3.connect(self._database) as database:
            return database.execute(f"{query} order by rowid").fetchall()


@pytest.fixture
def hook(emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection())
    return YandexAIStudioHook()


@pytest.fixture
def conversation_id(hook):
    return hook.create_conversation().id


@pytest.fixture
def watched(emulator, conversation_id, tmp_path):
    watched = Watched(tmp_path, emulator, conversation_id)
    try:
        watched.start()
        yield watched
    finally:
        watched.processes.stop()


def test_a_triggerer_that_is_killed_loses_and_repeats_nothing(watched, hook, conversation_id):
    def say(*roles):
        return [one.id for one in hook.add_items(conversation_id, [{"role": role, "content": "Hi"} for role in roles])]

    first, answer, second = say("user", "assistant", "user")
    watched.until(lambda: watched.read() == [first, answer, second], "what has fired is noted")
    assert watched.events() == [first, second]

    watched.processes.kill_all_of("triggerer")
    third, _ = say("user", "assistant")
    watched.start()
    watched.until(lambda: third in watched.events(), "the next triggerer fires for what came meanwhile")
    watched.until(lambda: third in watched.read(), "and notes it")
    assert watched.events() == [first, second, third]
