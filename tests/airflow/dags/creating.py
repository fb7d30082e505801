"""DAGs that create conversations in the ways that the tests need."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
)

FAST = RequestRetry(attempts=3, wait_initial=0)
SETTINGS = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 2, "retry_delay": timedelta(0)},
}

for on_ambiguous in ("recreate", "fail"):
    with DAG(f"creating_or_{on_ambiguous}", schedule=None, **SETTINGS):
        YandexCreateConversationOperator(task_id="create", on_ambiguous=on_ambiguous, request_retry=FAST)

with DAG("creating_mapped", schedule=None, **SETTINGS):
    YandexCreateConversationOperator.partial(task_id="create", request_retry=FAST).expand(
        metadata=[{"customer": "a"}, {"customer": "b"}, {"customer": "c"}]
    )

with DAG("creating_and_failing", schedule=None, **SETTINGS | {"default_args": {}}):

    @task
    def fail(conversation_id: str) -> None:
        raise RuntimeError(f"{conversation_id} is of no use")

    create = YandexCreateConversationOperator(task_id="create")
    delete = YandexDeleteConversationOperator(task_id="delete", conversation_id=create.output)
    fail(create.output) >> delete.as_teardown(setups=create)
