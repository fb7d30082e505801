"""Create one conversation with ``requests``, without Airflow."""

import json
import os
import time

loaded = time.perf_counter()
import requests  # noqa: E402

answer = requests.post(
    f"{os.environ['BENCHMARK_URL']}/conversations",
    json={"metadata": {"topic": "sales"}},
    headers={"Authorization": "Api-Key benchmark"},
    timeout=30,
)
answer.raise_for_status()
print(json.dumps({"id": answer.json()["id"], "since_airflow": time.perf_counter() - loaded}))
