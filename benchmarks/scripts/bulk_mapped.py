"""Create so many conversations with a mapped task each, by ``dag.test()``: ``bulk_mapped.py COUNT CONCURRENCY``."""

import json
import resource
import sys
import time
from datetime import datetime, timezone

from airflow.sdk import DAG

from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

count, _ = map(int, sys.argv[1:])
with DAG("bulk_mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    YandexCreateConversationOperator.partial(task_id="create").expand(
        metadata=[{"customer": str(number)} for number in range(count)]
    )
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
run = dag.test()
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
assert str(run.state) == "success", run.state
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu_ms": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1000,
            "peak_mib": after.ru_maxrss / 1024,
        }
    )
)
