"""
Wait for many responses in one event loop, as a triggerer does: with our trigger, and with bare ``aiohttp``.

``make bench-waits`` prints a Markdown table. Both wait for the same number of responses, in turns and three times each,
against an emulator in a process of its own. What is compared is the CPU that a look takes here, and how long others in
the loop have to wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import aiohttp
import requests

CONNECTION = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"


@dataclass
class Measured:
    """What one wait for all took."""

    seconds: float
    cpu_ms_per_look: float
    looks_per_second: float
    lag_ms_p99: float
    lag_ms_max: float


class Server:
    """An emulator in a process of its own, whose responses end after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        command = [sys.executable, "-m", "airflow_provider_yandex_conv.emulator", "--port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.base_url = self._process.stdout.readline().split()[-1]
        self._control = f"{self.base_url.removesuffix('/v1')}/_emulator"
        self._seconds = seconds
        self._session = requests.Session()

    def begin(self, count: int) -> list[str]:
        """Forget all, and return the ids of so many new responses in the background."""
        self._session.post(f"{self._control}/reset")
        self._session.post(f"{self._control}/answers", json={"times": None, "delay": self._seconds})
        body = {"model": "gpt://b1g/m", "input": "x", "background": True}
        return [self._session.post(f"{self.base_url}/responses", json=body).json()["id"] for _ in range(count)]

    def looks(self) -> int:
        """Return how often a response was read."""
        recorded = self._session.get(f"{self._control}/requests").json()
        return sum(one["operation"] == "getResponse" for one in recorded)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


async def ours(_: str, response_ids: list[str]) -> None:
    """Run a trigger for each response, which finds the server by its connection."""
    from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

    async def wait(response_id: str) -> None:
        trigger = YandexResponseTrigger(response_id=response_id, deadline=time.time() + 600)
        async for event in trigger.run():
            assert event.payload["status"] == "completed", event

    await asyncio.gather(*map(wait, response_ids))


async def bare(base_url: str, response_ids: list[str]) -> None:
    """Look at the same growing intervals with one session, and do nothing else."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def wait(response_id: str) -> None:
            interval = 1.0
            while True:
                try:
                    async with session.get(f"{base_url}/responses/{response_id}") as answer:
                        if (await answer.json())["status"] == "completed":
                            return
                except aiohttp.ServerDisconnectedError:
                    continue  # a connection that was kept open was closed just then
                await asyncio.sleep(interval * 0.75)
                interval = min(15.0, interval * 1.5)

        await asyncio.gather(*map(wait, response_ids))


async def measure(way, server: Server, count: int) -> Measured:
    """Wait for so many responses in one of the two ways."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            lags.append((time.perf_counter() - before - 0.01) * 1000)

    response_ids = server.begin(count)
    watcher = asyncio.create_task(watch())
    began, cpu = time.perf_counter(), time.process_time()
    await way(server.base_url, response_ids)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    watcher.cancel()
    looks = server.looks()
    lags.sort()
    return Measured(seconds, cpu / looks * 1000, looks / seconds, lags[int(len(lags) * 0.99)], lags[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each response takes")
    arguments = parser.parse_args()
    server = Server(arguments.seconds)
    try:
        with tempfile.TemporaryDirectory() as home:
            os.environ["AIRFLOW_HOME"] = home
            extra = {"auth_type": "none"}
            os.environ[CONNECTION] = json.dumps(
                {"conn_type": "yandex_ai_studio", "host": server.base_url, "extra": extra}
            )
            results = {"ours": [], "bare": []}
            for _ in range(3):
                results["ours"].append(asyncio.run(measure(ours, server, arguments.count)))
                results["bare"].append(asyncio.run(measure(bare, server, arguments.count)))
    finally:
        server.stop()
    print(f"{arguments.count} waits, Python {platform.python_version()}, aiohttp {aiohttp.__version__}; medians of 3\n")
    print("| | seconds | looks/s | CPU ms a look | loop lag p99 ms | max ms |\n|---|---|---|---|---|---|")
    for name, runs in results.items():
        fields = ("seconds", "looks_per_second", "cpu_ms_per_look", "lag_ms_p99", "lag_ms_max")
        cells = [f"{statistics.median(getattr(run, field) for run in runs):.2f}" for field in fields]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
