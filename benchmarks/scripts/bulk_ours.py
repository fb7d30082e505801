"""Create so many conversations at once with our hook: ``bulk_ours.py COUNT CONCURRENCY``."""

import json
import resource
import sys
import time

from airflow.sdk import BaseHook, BaseOperator  # noqa: F401  # what every task has loaded

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

count, concurrency = map(int, sys.argv[1:])
hook = YandexAIStudioHook()
hook.create_conversations([{}], concurrency=concurrency)  # so that what is imported once is in both of two sizes
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
created = hook.create_conversations(
    ({"metadata": {"customer": str(number)}} for number in range(count)), concurrency=concurrency
)
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
assert len(set(created.results)) == count, "each has an id of its own"
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu_ms": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1000,
            "peak_mib": after.ru_maxrss / 1024,
        }
    )
)
