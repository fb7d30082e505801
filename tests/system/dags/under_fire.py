"""DAGs whose tasks tell the emulator which process they are and how far they have got, so that a test can kill them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import requests
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_yandex_conv.operators.bulk import YandexCreateConversationsOperator
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from airflow_provider_yandex_conv.operators.items import YandexAddConversationItemsOperator
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator


def tell(point, context):
    """Ask for a conversation that does not exist, which a test may hold: its id says who asks and where."""
    sign = f"{point}.{context['ti'].try_number}.{os.getpid()}.{os.getppid()}"
    requests.get(f"{os.environ['EMULATOR_URL']}/conversations/{sign}", timeout=120)


class TellingStore:
    """Airflow's task state store, with a sign before the first write and after each that notes something created."""

    def __init__(self, store, context):
        self._store = store
        self._context = context
        self._has_written = False

    def get(self, key):
        return self._store.get(key)

    def set(self, key, value, *, retention):
        if not self._has_written:
            tell("before-intent", self._context)
        self._has_written = True
        self._store.set(key, value, retention=retention)
        if set(value["created"]) - {"after"}:
            tell("after-id", self._context)


class TellingMixin:
    def execute(self, context):
        tell("started", context)
        context["task_state_store"] = TellingStore(context["task_state_store"], context)
        return super().execute(context)

    def post_execute(self, context, result=None):
        tell("before-xcom", context)


class TellingCreate(TellingMixin, YandexCreateConversationOperator):
    pass


class TellingAsk(TellingMixin, YandexCreateResponseOperator):
    pass


class TellingAdd(TellingMixin, YandexAddConversationItemsOperator):
    pass


common = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "catchup": False,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "max_active_runs": 20,
}

with DAG("scheduled", schedule="@once", is_paused_upon_creation=True, **common):
    YandexCreateConversationOperator(task_id="create")

with DAG("creating", schedule=None, **common):
    TellingCreate(task_id="create")

with DAG("creating_or_fail", schedule=None, **common):
    TellingCreate(task_id="create", on_ambiguous="fail")

with DAG("adding", schedule=None, **common):
    create = YandexCreateConversationOperator(task_id="create")
    add = TellingAdd(
        task_id="add",
        conversation_id=create.output,
        items=[{"role": "user", "content": str(number)} for number in range(50)],
        timeout_read=5,
    )

ways_of_asking = {
    "asking": {},
    "asking_deferred": {"deferrable": True},
    "asking_or_fail": {"on_ambiguous": "fail"},
    "asking_shortly": {"on_ambiguous": "recover", "timeout": 3},
    "asking_again": {"on_ambiguous": "recreate", "timeout": 3},
}
for dag_id, way in ways_of_asking.items():
    with DAG(dag_id, schedule=None, **common):
        create = YandexCreateConversationOperator(task_id="create")
        ask = TellingAsk(
            task_id="ask",
            conversation_id=create.output,
            input="The answer?",
            model="gpt://b1g/yandexgpt",
            **way,
        )

with DAG("creating_mapped", schedule=None, **common):
    YandexCreateConversationOperator.partial(task_id="create").expand(metadata=[{"n": str(n)} for n in range(50)])


class TellingCreateMany(YandexCreateConversationsOperator):
    def execute(self, context):
        tell("started", context)
        return super().execute(context)


with DAG("creating_many", schedule=None, **common):
    TellingCreateMany(
        task_id="create",
        conversations=[{"metadata": {"n": str(number)}} for number in range(200)],
        concurrency=5,
        chunk_size=50,
    )
