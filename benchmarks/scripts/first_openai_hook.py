"""Create one conversation with the hook of Airflow's OpenAI provider."""

import json
import time

from airflow.sdk import BaseHook, BaseOperator  # noqa: F401  # what every task has loaded

loaded = time.process_time()
from airflow.providers.openai.hooks.openai import OpenAIHook  # noqa: E402

conversation = OpenAIHook().create_conversation(metadata={"topic": "sales"})
print(json.dumps({"id": conversation.id, "since_airflow": time.process_time() - loaded}))
