"""Create one conversation with our operator."""

import json
import time

from airflow.sdk import BaseHook, BaseOperator  # noqa: F401  # what every task has loaded

loaded = time.process_time()
from types import SimpleNamespace  # noqa: E402

from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator  # noqa: E402

operator = YandexCreateConversationOperator(task_id="create", metadata={"topic": "sales"})
ti = SimpleNamespace(dag_id="d", run_id="r", task_id="create", map_index=-1, try_number=1, xcom_push=lambda **_: None)
conversation_id = operator.execute({"ti": ti})
print(json.dumps({"id": conversation_id, "since_airflow": time.process_time() - loaded}))
