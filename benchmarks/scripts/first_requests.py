"""Create one conversation with ``requests``, without Airflow."""

import json
import os
import time

loaded = time.process_time()
import requests  # noqa: E402

answer = requests.post(
    f"{os.environ['BENCHMARK_URL']}/conversations",
    json={"metadata": {"topic": "sales"}},
    headers={"Authorization": "Api-Key benchmark"},
    timeout=30,
)
answer.raise_for_status()
print(json.dumps({"id": answer.json()["id"], "since_airflow": time.process_time() - loaded}))
