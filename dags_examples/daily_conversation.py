"""
Every day: open a conversation, let two tasks use its id, delete it at the end.

The id travels through XCom: ``create.output`` is the return value of the create, as a plain string. The delete is a
teardown, so it also runs when a task in between has failed, and the run fails all the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag, task  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
    YandexUpdateConversationOperator,
)


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["yandex-ai-studio"],
)
def daily_conversation() -> None:
    """Open a conversation, use its id twice, delete it."""
    create = YandexCreateConversationOperator(
        task_id="create",
        metadata={"report": "sales", "run": "{{ run_id }}"},
        items=[{"role": "developer", "content": "You summarise the sales of the day in one sentence."}],
    )
    label = YandexUpdateConversationOperator(
        task_id="label",
        conversation_id=create.output,
        metadata={"status": "open"},
    )

    @task
    def describe(conversation_id: str) -> str:
        """Read the conversation with the hook, as any Python code can."""
        conversation = YandexAIStudioHook().get_conversation(conversation_id)
        return f"{conversation.id} is {conversation.metadata['status']}"

    delete = YandexDeleteConversationOperator(
        task_id="delete",
        conversation_id=create.output,
        ignore_missing=True,
    )
    label >> describe(create.output) >> delete.as_teardown(setups=create)


daily_conversation()
