"""Let a model judge a message to the support, and leave nothing of it behind."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
)
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

VERDICT = {
    "title": "Verdict",
    "type": "object",
    "properties": {"urgent": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["urgent", "reason"],
    "additionalProperties": False,
}


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 2},
    params={"message": "The lamps in the shop have gone out."},
)
def triage() -> None:
    """Ask about a message, hand it on, delete what was said."""
    create = YandexCreateConversationOperator(
        task_id="create",
        items=[{"role": "developer", "content": "You judge messages to the support of a shop."}],
        on_ambiguous="fail",  # no copy that nobody knows of may stay
    )
    judge = YandexCreateResponseOperator(
        task_id="judge",
        conversation_id=create.output,
        input="{{ params.message }}",
        model="yandexgpt",
        output_schema=VERDICT,
    )

    @task
    def hand_on(verdict: dict) -> str:
        """Tell where the message goes."""
        return f"{'call' if verdict['urgent'] else 'file'}: {verdict['reason']}"

    delete = YandexDeleteConversationOperator(
        task_id="delete", conversation_id=create.output, delete_items=True, ignore_missing=True
    )
    hand_on(judge.output) >> delete.as_teardown(setups=create)


triage()
