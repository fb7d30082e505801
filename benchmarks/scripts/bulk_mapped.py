"""Create so many conversations with a mapped task each, by ``dag.test()``: ``bulk_mapped.py COUNT CONCURRENCY``."""

import json
import os
import resource
import sys
import time

os.environ["BENCHMARK_COUNT"] = sys.argv[1]
count = int(sys.argv[1])

from airflow.dag_processing.dagbag import DagBag  # noqa: E402

dag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags["bulk_mapped"]
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
