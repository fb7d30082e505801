"""Create one conversation with the operator of Airflow's HTTP provider."""

import json
import time

from airflow.sdk import BaseHook, BaseOperator  # noqa: F401  # what every task has loaded

loaded = time.process_time()
from airflow.providers.http.operators.http import HttpOperator  # noqa: E402

operator = HttpOperator(
    task_id="create",
    endpoint="/v1/conversations",
    data=json.dumps({"metadata": {"topic": "sales"}}),
    headers={"Content-Type": "application/json"},
    response_filter=lambda response: response.json()["id"],
)
conversation_id = operator.execute({})
print(json.dumps({"id": conversation_id, "since_airflow": time.process_time() - loaded}))
