"""A task for each response of a file, which waits for it."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_yandex_conv.sensors.responses import YandexResponseSensor

RESPONSE_IDS = json.loads(Path(os.environ["RESPONSE_IDS"]).read_text())

with DAG("waits", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):
    YandexResponseSensor.partial(task_id="wait", deferrable=True).expand(response_id=RESPONSE_IDS)
