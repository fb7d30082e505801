"""
Open a conversation for each of thousands of customers in one task, add the news of the day to each, delete them all.

The customers are in a file with one JSON object in each line, which is read as it is needed. One task creates all
conversations at the speed that the quota allows, and survives the death of its worker: a retry creates what is missing.
Its ids come in the order of the file.

The delete is a teardown, so it also runs when something in between has failed. It has no setup: else it would not run
where the create itself fails after it has created some, whose ids it finds all the same.

``concurrency`` is somewhat above the vendor's quota of ten requests in flight: the tasks find the quota by themselves.
With ``object_storage_path="s3://aws_default@bucket/batches"``, lists of more than a thousand ids go there.
"""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.providers.common.compat.sdk import dag, task  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.operators.bulk import (
    YandexAddItemsToConversationsOperator,
    YandexCreateConversationsOperator,
    YandexDeleteConversationsOperator,
)

#: A folder that all workers share.
FOLDER = Path(os.environ.get("BATCH_FOLDER", tempfile.gettempdir()))


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["yandex-ai-studio"],
)
def nightly_batch() -> None:
    """Write the file, create, add, delete."""

    @task
    def customers(ds_nodash: str | None = None) -> str:
        """Write what to create to a file, as an export from a database would, and return its path."""
        file = FOLDER / f"customers_{ds_nodash}.jsonl"
        lines = ({"metadata": {"customer": f"customer-{number}"}} for number in range(50))
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return str(file)

    @task
    def news(conversation_ids: list[str], ds: str | None = None) -> list[dict[str, object]]:
        """Return what to add to which conversation."""
        items = [{"role": "developer", "content": f"The prices of {ds} are final."}]
        return [{"conversation_id": one, "items": items} for one in conversation_ids]

    create = YandexCreateConversationsOperator(task_id="create", conversations=customers(), concurrency=12)
    add = YandexAddItemsToConversationsOperator(task_id="add", additions=news(create.output), concurrency=12)
    delete = YandexDeleteConversationsOperator(
        task_id="delete", conversation_ids=create.output, ignore_missing=True, concurrency=12
    )
    add >> delete.as_teardown()


nightly_batch()
