"""DAGs whose tasks have conversations to look at."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from airflow_provider_yandex_conv.operators.items import YandexAddConversationItemsOperator
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

SETTINGS = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc)}


class CreateForShop(YandexCreateConversationOperator):
    """An operator that somebody derived from ours."""


def conversing(dag_id):
    with DAG(dag_id, schedule=None, **SETTINGS):
        create = YandexCreateConversationOperator(task_id="create", metadata={"topic": "<b>lamps</b>"})
        add = YandexAddConversationItemsOperator(
            task_id="add",
            conversation_id=create.output,
            items=[{"role": "user", "content": f"Lamp **{number}**?"} for number in range(30)],
        )
        ask = YandexCreateResponseOperator(
            task_id="ask", conversation_id=create.output, model="yandexgpt", input="How many lamps are left?"
        )

        @task
        def other() -> str:
            return "nothing of ours"

        add >> ask >> other()


conversing("conversing")
conversing("conversing_in_secret")

with DAG("conversing_mapped", schedule=None, **SETTINGS):
    YandexCreateConversationOperator.partial(task_id="create").expand(
        metadata=[{"customer": "a"}, {"customer": "b"}, {"customer": "c"}]
    )

with DAG("conversing_and_failing", schedule=None, **SETTINGS):
    create = YandexCreateConversationOperator(task_id="create")
    YandexAddConversationItemsOperator(
        task_id="add",
        conversation_id=create.output,
        items=[{"role": "user", "content": "Hello"}, {"role": "nobody", "content": "refused"}],
    )
    CreateForShop(task_id="create_for_shop")
    YandexCreateResponseOperator(
        task_id="ask",
        conversation_id=create.output,
        model="yandexgpt",
        input="Hello?",
        yandex_ai_studio_conn_id="{{ 'yandex_ai_studio_default' }}",
    )
