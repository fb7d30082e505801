"""A fresh process creates its first conversation, over https, and has its id."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from certificate import write_certificate
from measuring import Aim, Report, interleaved, ratios, spread
from processes import FOLDER, airflow_home, connections, fresh, serving

SCRIPTS = {
    "ours": "first_ours.py",
    "requests in a task": "first_requests_in_a_task.py",
    "openai provider, hook": "first_openai_hook.py",
    "http provider, operator": "first_http_operator.py",
    "requests, no Airflow": "first_requests.py",
}
LIMITS = {"requests in a task": 1.25, "openai provider, hook": 0.4, "requests, no Airflow": 1.25}


def run(*, quick: bool) -> Report:
    names = [name for name in SCRIPTS if not quick or "provider" not in name]
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "server.pem"
        write_certificate(certificate)
        with serving(certificate=certificate) as server:
            trust = {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
            more = {**connections(server.base_url), **trust, "BENCHMARK_URL": server.base_url}
            with airflow_home(more) as environment:
                ways = {name: lambda name=name: _created(SCRIPTS[name], environment) for name in names}
                results = interleaved(ways, 1 if quick else 7)
            created = server.counted()["created"]
    assert created == sum(len(found) + 1 for found in results.values()), "each process creates one"
    whole = {name: [one["cpu"] for one in found] for name, found in results.items()}
    since = {name: [one["since_airflow"] for one in found] for name, found in results.items()}
    rows = [
        [
            name,
            spread((1000 * one for one in whole[name]), 0),
            spread((1000 * one for one in since[name]), 0),
            spread(ratios(whole["ours"], whole[name])),
            spread(ratios(since["ours"], since[name])),
        ]
        for name in names
    ]
    aims = [
        Aim(f"ours over {name}, {what}", LIMITS[name], statistics.median(ratios(times["ours"], times[name])))
        for name in names
        if name in LIMITS
        for what, times in (("whole process", whole), ("once Airflow is loaded", since))
    ]
    return Report(
        "first",
        "CPU of a process that starts, imports what it needs, creates one conversation over https and prints its id: "
        f"{len(whole['ours'])} processes each. *Once Airflow is loaded* is what is left when `airflow.sdk` has been "
        "imported, which Airflow has done in every task before it begins.",
        [
            "way",
            "whole process, CPU ms",
            "once Airflow is loaded, CPU ms",
            "ours / this, whole",
            "ours / this, once loaded",
        ],
        rows,
        aims,
    )


def _created(script: str, environment: dict[str, str]) -> dict[str, float]:
    found = fresh([str(FOLDER / "scripts" / script)], environment)
    assert found["id"].startswith("conv_"), found
    return found
