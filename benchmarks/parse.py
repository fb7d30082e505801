"""What importing operators adds to parsing a DAG file that has imported Airflow's own."""

from __future__ import annotations

import statistics

from measuring import Aim, Report, interleaved, ratios, spread
from processes import airflow_home, fresh

IMPORTS = {
    "ours": "airflow_provider_yandex_conv.operators.conversations",
    "http": "airflow.providers.http.operators.http",
    "openai": "airflow.providers.openai.operators.openai",
}
MEASURE = """
import importlib, json, sys, time
from airflow.sdk import DAG, BaseOperator, BaseHook
modules, wall, cpu = len(sys.modules), time.perf_counter(), time.process_time()
importlib.import_module({module!r})
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({{"wall_ms": wall * 1000, "cpu_ms": cpu * 1000, "modules": len(sys.modules) - modules}}))
"""


def run(*, quick: bool) -> Report:
    with airflow_home({}) as environment:
        ways = {
            name: lambda module=module: fresh(["-c", MEASURE.format(module=module)], environment)
            for name, module in IMPORTS.items()
            if not quick or name == "ours"
        }
        results = interleaved(ways, 1 if quick else 15)
    wall = {name: [one["wall_ms"] for one in found] for name, found in results.items()}
    rows = [
        [
            IMPORTS[name],
            spread(wall[name], 1),
            spread((one["cpu_ms"] for one in found), 1),
            str(found[0]["modules"]),
            spread(ratios(wall["ours"], wall[name])),
        ]
        for name, found in results.items()
    ]
    limits = {"http": 0.2, "openai": 0.1}
    return Report(
        "parse",
        f"Importing the operators where `airflow.sdk` is imported, in {len(wall['ours'])} fresh processes each.",
        ["import", "ms", "CPU ms", "modules", "ours / this"],
        rows,
        [
            Aim(f"ours over {name}", limits[name], statistics.median(ratios(wall["ours"], wall[name])))
            for name in results
            if name in limits
        ],
    )
