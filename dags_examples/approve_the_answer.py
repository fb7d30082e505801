"""
Let a person approve what a model answers, before the answer is part of the conversation.

An answer that is asked for in a conversation is added to it at once. So here the model is asked outside of it, with the
items that the conversation holds, and what it says is added by another task, behind the approval. A draft that is
rejected is billed, and the conversation knows nothing of it.

Airflow asks people from 3.1 on, under *Required actions*; on older releases this file holds no DAG.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag  # in a DAG for Airflow 3 only: from airflow.sdk
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from airflow_provider_yandex_conv.operators.items import (
    YandexAddConversationItemsOperator,
    YandexListConversationItemsOperator,
)
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

if AIRFLOW_V_3_1_PLUS:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    @dag(
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
        params={"message": "Where are the lamps that I ordered?"},
        tags=["yandex-ai-studio"],
    )
    def approve_the_answer() -> None:
        """Draft an answer to a customer, have it approved, and add it to the conversation, which stays."""
        create = YandexCreateConversationOperator(
            task_id="create",
            items=[
                {"role": "developer", "content": "You answer the customers of a shop."},
                {"role": "user", "content": "{{ params.message }}"},
            ],
        )
        history = YandexListConversationItemsOperator(task_id="history", conversation_id=create.output)
        draft = YandexCreateResponseOperator(
            task_id="draft",
            input=history.output,
            model="yandexgpt",
            deferrable=True,
        )
        approve = ApprovalOperator(
            task_id="approve",
            subject="Send this answer?",
            body="{{ params.message }}\n\n---\n\n{{ ti.xcom_pull(task_ids='draft') }}",
        )
        answer = YandexAddConversationItemsOperator(
            task_id="answer",
            conversation_id=create.output,
            items=[{"role": "assistant", "content": "{{ ti.xcom_pull(task_ids='draft') }}"}],
        )
        draft >> approve >> answer

    approve_the_answer()
