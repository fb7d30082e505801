"""
Run as a service account: the connection ``yandex_ai_studio_service_account`` holds the path of its key, and no API key.

::

    export AIRFLOW_CONN_YANDEX_AI_STUDIO_SERVICE_ACCOUNT='{
      "conn_type": "yandex_ai_studio",
      "extra": {
        "auth_type": "service_account",
        "service_account_key_path": "/run/secrets/authorized_key.json",
        "folder_id": "<folder id>"
      }
    }'

The key is read when a task runs, exchanged for an IAM token, and never leaves the worker.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
    YandexGetConversationOperator,
)

with DAG(
    "service_account",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"yandex_ai_studio_conn_id": "yandex_ai_studio_service_account"},
    tags=["yandex-ai-studio"],
):
    create = YandexCreateConversationOperator(task_id="create", metadata={"run": "{{ run_id }}"})
    read = YandexGetConversationOperator(task_id="read", conversation_id=create.output)
    delete = YandexDeleteConversationOperator(task_id="delete", conversation_id=create.output)
    read >> delete.as_teardown(setups=create)
