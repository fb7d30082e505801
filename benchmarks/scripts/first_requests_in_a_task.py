"""Create one conversation with ``requests`` as a task does, with the key from an Airflow connection."""

import json
import os
import time

from airflow.sdk import BaseHook, BaseOperator  # noqa: F401  # what every task has loaded

loaded = time.process_time()
import requests  # noqa: E402

key = BaseHook.get_connection("http_default").extra_dejson["Authorization"]
answer = requests.post(
    f"{os.environ['BENCHMARK_URL']}/conversations",
    json={"metadata": {"topic": "sales"}},
    headers={"Authorization": key},
    timeout=30,
)
answer.raise_for_status()
print(json.dumps({"id": answer.json()["id"], "since_airflow": time.process_time() - loaded}))
