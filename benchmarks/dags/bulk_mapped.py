"""A mapped task for each conversation."""

import os
from datetime import datetime, timezone

from airflow.sdk import DAG

from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

with DAG("bulk_mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    YandexCreateConversationOperator.partial(task_id="create").expand(
        metadata=[{"customer": str(number)} for number in range(int(os.environ.get("BENCHMARK_COUNT", "1")))]
    )
