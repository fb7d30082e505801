"""
Ask a model about a message in a conversation, and branch on its answer.

The answer is an object of a form that is asked for, so that the branch can rely on it. While the model thinks, the task
waits in the triggerer and takes no worker.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

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
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={"message": "The lamps in the shop have gone out."},
    tags=["yandex-ai-studio"],
)
def ask_and_branch() -> None:
    """Judge a message, and do what it calls for."""
    create = YandexCreateConversationOperator(
        task_id="create",
        items=[{"role": "developer", "content": "You judge messages to the support of a shop."}],
    )
    judge = YandexCreateResponseOperator(
        task_id="judge",
        conversation_id=create.output,
        input="Is this urgent? {{ params.message }}",
        model="yandexgpt",
        output_schema=VERDICT,
        deferrable=True,
    )

    @task.branch
    def decide(verdict: dict) -> str:
        """Go on with one of two tasks."""
        return "call" if verdict["urgent"] else "file"

    @task
    def call(verdict: dict) -> str:
        """Call somebody."""
        return f"Calling: {verdict['reason']}"

    @task
    def file(verdict: dict) -> str:
        """Keep it for tomorrow."""
        return f"Filed: {verdict['reason']}"

    delete = YandexDeleteConversationOperator(task_id="delete", conversation_id=create.output, ignore_missing=True)
    done = [call(judge.output), file(judge.output)]
    decide(judge.output) >> done >> delete.as_teardown(setups=create)


ask_and_branch()
