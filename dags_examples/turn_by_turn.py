"""
Build a thread turn by turn and read it back.

Each turn is a task: it adds items to the end of the conversation, exactly once even when an answer is lost on the way.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
)
from airflow_provider_yandex_conv.operators.items import (
    YandexAddConversationItemsOperator,
    YandexListConversationItemsOperator,
)


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False, tags=["yandex-ai-studio"])
def turn_by_turn() -> None:
    """Ask, answer, read the thread back."""
    create = YandexCreateConversationOperator(
        task_id="create",
        items=[{"role": "system", "content": "You know the stock of a shop."}],
    )
    ask = YandexAddConversationItemsOperator(
        task_id="ask",
        conversation_id=create.output,
        items=[{"role": "user", "content": "How many lamps are left?"}],
    )
    answer = YandexAddConversationItemsOperator(
        task_id="answer",
        conversation_id=create.output,
        items=[{"role": "assistant", "content": "Seven."}],
    )
    read = YandexListConversationItemsOperator(
        task_id="read",
        conversation_id=create.output,
        max_items=50,
    )

    @task
    def transcript(items: list[dict]) -> str:
        """Write the thread down, a line per turn."""
        return "\n".join(f"{item['role']}: {item['content'][0]['text']}" for item in items)

    delete = YandexDeleteConversationOperator(
        task_id="delete",
        conversation_id=create.output,
        delete_items=True,
        ignore_missing=True,
    )
    ask >> answer >> read
    transcript(read.output) >> delete.as_teardown(setups=create)


turn_by_turn()
