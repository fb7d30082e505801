"""Create so many conversations one after the other with ``requests``: ``bulk_loop.py COUNT CONCURRENCY``."""

import json
import os
import resource
import sys
import time

import requests

count, _ = map(int, sys.argv[1:])
session = requests.Session()
session.headers["Authorization"] = "Api-Key benchmark"
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
for number in range(count):
    answer = session.post(
        f"{os.environ['BENCHMARK_URL']}/conversations", json={"metadata": {"customer": str(number)}}, timeout=30
    )
    answer.raise_for_status()
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu_ms": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1000,
            "peak_mib": after.ru_maxrss / 1024,
        }
    )
)
