"""Many responses waited for in one event loop, as a triggerer does: with our trigger, and with bare ``aiohttp``."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from measuring import Aim, Report, interleaved, ratios, spread
from processes import Server, airflow_home, airflow_logging, connections, serving

Way = Callable[[str, list[str]], Awaitable[None]]


@dataclass(frozen=True)
class Measured:
    """What one wait for all took."""

    cpu_ms_per_look: float
    looks: int
    lag_ms_p99: float
    lag_ms_max: float


async def ours(_: str, response_ids: list[str]) -> None:
    """Run a trigger for each response, which finds the server by its connection."""
    from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

    async def wait(response_id: str) -> None:
        trigger = YandexResponseTrigger(response_id=response_id, deadline=time.time() + 600)
        async for event in trigger.run():
            assert event.payload["status"] == "completed", event

    await asyncio.gather(*map(wait, response_ids))


async def bare(base_url: str, response_ids: list[str]) -> None:
    """Look at the same growing intervals, drawn alike, with one session, and do nothing else."""
    async with aiohttp.ClientSession(
        headers={"Authorization": "Api-Key benchmark", "OpenAI-Project": "b1g"},
        timeout=aiohttp.ClientTimeout(sock_connect=10, sock_read=30),
    ) as session:

        async def wait(response_id: str) -> None:
            interval = 1.0
            while True:
                try:
                    async with session.get(f"{base_url}/responses/{response_id}") as answer:
                        if (await answer.json())["status"] == "completed":
                            return
                except aiohttp.ServerDisconnectedError:
                    continue  # a connection that was kept open was closed just then
                await asyncio.sleep(interval * random.uniform(0.5, 1))
                interval = min(15.0, interval * 1.5)

        await asyncio.gather(*map(wait, response_ids))


def run(*, quick: bool) -> Report:
    seconds, rounds, counts = (1.0, 1, (10,)) if quick else (20.0, 3, (1000, 5000))
    rows, aims = [], []
    with serving("--wait", str(seconds)) as server, airflow_home(connections(server.base_url)), airflow_logging():
        for count in counts:
            ways = {
                name: lambda way=way, count=count: asyncio.run(_measured(way, server, count))
                for name, way in (("ours, trigger", ours), ("aiohttp", bare))
            }
            results = interleaved(ways, rounds, warm_up=False)
            kept = {
                name: asyncio.run(_bytes_kept(way, server, count))
                for name, way in (("ours, trigger", ours), ("aiohttp", bare))
            }
            cpu = {name: [one.cpu_ms_per_look for one in found] for name, found in results.items()}
            for name, found in results.items():
                rows.append(
                    [
                        f"{count:,}",
                        name,
                        spread((one.looks for one in found), 0),
                        spread(cpu[name]),
                        spread(ratios(cpu["ours, trigger"], cpu[name])),
                        spread((one.lag_ms_p99 for one in found), 1),
                        spread((one.lag_ms_max for one in found), 0),
                        f"{kept[name] / 1024:,.1f}",
                    ]
                )
            ratio = statistics.median(ratios(cpu["ours, trigger"], cpu["aiohttp"]))
            lag = statistics.median(one.lag_ms_p99 for one in results["ours, trigger"])
            aims += [Aim(f"{count:,} waits, CPU a look, ours over aiohttp", 1.3, ratio)]
            aims += [Aim(f"{count:,} waits, loop lag p99 in ms", 50, lag)]
    return Report(
        "waits",
        f"Responses that take {seconds:g} s each, all waited for in one event loop, {rounds} times by each way. Loop "
        "lag is how late a timer of 10 ms wakes up there. Memory is what Python has allocated in the middle of the "
        "wait.",
        ["waits", "way", "looks", "CPU ms a look", "ours / this", "loop lag p99, ms", "max, ms", "KiB a wait"],
        rows,
        aims,
    )


async def _measured(way: Way, server: Server, count: int) -> Measured:
    """Wait for so many responses in one of the two ways."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            lags.append((time.perf_counter() - before - 0.01) * 1000)

    server.reset()
    watcher = asyncio.create_task(watch())
    cpu = time.process_time()
    await way(server.base_url, [f"resp_{number}" for number in range(count)])
    cpu = time.process_time() - cpu
    watcher.cancel()
    looks = int(server.counted()["requests"])
    lags.sort()
    return Measured(cpu / looks * 1000, looks, lags[int(len(lags) * 0.99)], lags[-1])


async def _bytes_kept(way: Way, server: Server, count: int) -> float:
    """Return the bytes that Python holds for each wait when all of them sleep."""
    await way(server.base_url, ["resp_0"])  # what is imported and cached once is not of a wait
    server.reset()
    tracemalloc.start()
    waiting = asyncio.ensure_future(way(server.base_url, [f"resp_{number}" for number in range(count)]))
    while server.counted()["requests"] < count:
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.2)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await waiting
    return held / count
