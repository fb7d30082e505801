"""A thousand conversations, and ten thousand, at a server that takes its time and allows ten requests at once."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass

from measuring import Aim, Report, interleaved, spread
from processes import FOLDER, Server, airflow_home, connections, fresh, serving

LATENCY, QUOTA = 0.05, 10


@dataclass(frozen=True)
class Way:
    """
    One way to create many.

    :param counted: how many it creates here; where that is fewer than asked for, the time is multiplied.
    """

    name: str
    script: str
    asked: int
    counted: int
    concurrency: int = QUOTA

    @property
    def ideal(self) -> float:
        """The seconds in which the quota allows so many."""
        return self.asked * LATENCY / QUOTA


def run(*, quick: bool) -> Report:
    rows, measured = [], {}
    with (
        serving("--latency", str(LATENCY), "--in-flight", str(QUOTA)) as server,
        airflow_home({**connections(server.base_url), **_settings(server)}) as environment,
    ):
        if not quick:
            migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(migrate, env=environment, check=True, capture_output=True)
        for ways, rounds in _plan(quick=quick):
            by_name = {way.name: lambda way=way: _created(way, server, environment) for way in ways}
            results = interleaved(by_name, rounds, warm_up=False)
            rows += [_row(way, results[way.name]) for way in ways]
            measured |= {(way.name, way.asked): (way, results[way.name]) for way in ways}
    return Report(
        "bulk",
        f"Many creates at a server that takes {LATENCY * 1000:g} ms for each and answers 429 beyond {QUOTA} at once. "
        "*Ideal* is what that allows: number x latency / quota. What is marked * was measured with fewer, and the time "
        "multiplied. Mapped tasks are run by `dag.test()`: without a scheduler, and without the process that Airflow "
        "starts for each task, so that they take longer in reality.",
        ["creates", "way", "seconds", "of the ideal", "refused (429)", "CPU ms a create", "peak memory, MiB"],
        rows,
        _aims(measured),
    )


def _settings(server: Server) -> dict[str, str]:
    return {"BENCHMARK_URL": server.base_url, "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER / "dags")}


def _plan(*, quick: bool) -> list[tuple[list[Way], int]]:
    """Return what is measured side by side, and how often."""
    if quick:
        return [([Way("ours, window of 10", "bulk_ours.py", 20, 20)], 1)]
    thousand = [
        Way("ours, window of 10", "bulk_ours.py", 1000, 1000),
        Way("ours, window of 20", "bulk_ours.py", 1000, 1000, concurrency=20),
        Way("aiohttp, semaphore of 10", "bulk_aiohttp.py", 1000, 1000),
        Way("requests, a loop *", "bulk_loop.py", 1000, 100),
        Way("mapped tasks *", "bulk_mapped.py", 1000, 20),
    ]
    ten_thousand = [
        Way("ours, window of 10", "bulk_ours.py", 10_000, 10_000),
        Way("aiohttp, semaphore of 10", "bulk_aiohttp.py", 10_000, 10_000),
    ]
    return [(thousand, 3), (ten_thousand, 1)]


def _created(way: Way, server: Server, environment: dict[str, str]) -> dict[str, float]:
    server.reset()
    found = fresh([str(FOLDER / "scripts" / way.script), str(way.counted), str(way.concurrency)], environment)
    counted = server.counted()
    return {
        **found,
        "seconds": found["seconds"] * way.asked / way.counted,
        "refused": counted["refused"] / counted["requests"] * 100,
        "most": counted["most_in_flight"],
    }


def _row(way: Way, found: list[dict[str, float]]) -> list[str]:
    seconds = [one["seconds"] for one in found]
    return [
        f"{way.asked:,}",
        way.name,
        spread(seconds, 1),
        spread(one / way.ideal for one in seconds),
        f"{spread((one['refused'] for one in found), 1)} %",
        spread(one["cpu_ms"] for one in found),
        spread((one["peak_mib"] for one in found), 0),
    ]


def _aims(measured: dict[tuple[str, int], tuple[Way, list[dict[str, float]]]]) -> list[Aim]:
    aims = []
    for (name, asked), (way, found) in measured.items():
        if name.startswith("ours"):
            seconds = statistics.median(one["seconds"] for one in found)
            refused = statistics.median(one["refused"] for one in found)
            aims += [Aim(f"{asked:,}, {name}: of the ideal time", 1.05, seconds / way.ideal)]
            aims += [Aim(f"{asked:,}, {name}: % of the requests refused", 2, refused)]
    peaks = [
        statistics.median(one["peak_mib"] for one in measured[key][1])
        for key in (("ours, window of 10", 1000), ("ours, window of 10", 10_000))
        if key in measured
    ]
    if len(peaks) == 2:
        aims.append(Aim("memory growth from 1,000 to 10,000, MiB", 20, peaks[1] - peaks[0]))
    return aims
