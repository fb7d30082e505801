"""DAGs that wait for what others see to."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.sensors.items import YandexConversationItemSensor
from airflow_provider_yandex_conv.sensors.responses import YandexResponseSensor

SETTINGS = {"start_date": datetime(2026, 1, 1, tzinfo=timezone.utc)}
DEFERRED = {"deferrable": True, "poke_interval": 0.05}


def ask_somewhere_else() -> str:
    return YandexAIStudioHook().create_response("Hello", model="gpt://b1g/m", background=True).id


with DAG("sensing_response", schedule=None, **SETTINGS):
    YandexResponseSensor(task_id="wait", response_id=task(ask_somewhere_else)(), timeout=60, **DEFERRED)

with DAG("sensing_response_in_vain", schedule=None, **SETTINGS):
    YandexResponseSensor(
        task_id="wait", response_id=task(ask_somewhere_else)(), timeout=0.2, soft_fail=True, retries=2, **DEFERRED
    )


def start_to_talk() -> str:
    return YandexAIStudioHook().create_conversation(items=[{"role": "user", "content": "Hello"}]).id


def answer_in_the_background(conversation_id: str) -> str:
    """Let an answer come while the sensor waits; return the item before it."""
    hook = YandexAIStudioHook()
    hook.create_response(model="gpt://b1g/m", conversation_id=conversation_id, background=True)
    (first,) = hook.list_items(conversation_id)
    return first.id


with DAG("sensing_item", schedule=None, **SETTINGS):
    conversation_id = task(start_to_talk)()
    YandexConversationItemSensor(
        task_id="wait",
        conversation_id=conversation_id,
        after=task(answer_in_the_background)(conversation_id),
        role="assistant",
        timeout=60,
        **DEFERRED,
    )
