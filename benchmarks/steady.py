"""A thousand conversations, one after the other, over one connection."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from measuring import Aim, Report, interleaved, ratios, spread
from processes import airflow_home, airflow_logging, connections, serving

METADATA = {"topic": "sales"}


def ours() -> Callable[[], str]:
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

    hook = YandexAIStudioHook()
    return lambda: hook.create_conversation(metadata=METADATA).id


def bare_requests(base_url: str) -> Callable[[], str]:
    import requests

    session = requests.Session()
    session.headers["Authorization"] = "Api-Key benchmark"

    def create() -> str:
        answer = session.post(f"{base_url}/conversations", json={"metadata": METADATA}, timeout=(10, 30))
        answer.raise_for_status()
        return answer.json()["id"]

    return create


def openai_sdk(base_url: str) -> Callable[[], str]:
    import openai

    client = openai.OpenAI(base_url=base_url, api_key="benchmark")
    return lambda: client.conversations.create(metadata=METADATA).id


def openai_hook() -> Callable[[], str]:
    from airflow.providers.openai.hooks.openai import OpenAIHook

    hook = OpenAIHook()
    return lambda: hook.create_conversation(metadata=METADATA).id


def http_hook() -> Callable[[], str]:
    import json

    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook()
    headers = {"Content-Type": "application/json"}
    return lambda: hook.run("/v1/conversations", json.dumps({"metadata": METADATA}), headers).json()["id"]


def run(*, quick: bool) -> Report:
    rounds, block = (1, 5) if quick else (20, 50)
    with serving() as server, airflow_home(connections(server.base_url)), airflow_logging():
        creates = {"ours, hook": ours(), "requests.Session": bare_requests(server.base_url)}
        creates["openai SDK"] = openai_sdk(server.base_url)
        if not quick:
            creates |= {"openai provider, hook": openai_hook(), "http provider, hook": http_hook()}
        ways = {name: lambda create=create: _timed(create, block) for name, create in creates.items()}
        results = interleaved(ways, rounds)
        created = server.counted()["created"]
    assert created == len(ways) * (rounds + 1) * block, "each call creates one"
    wall = {name: [one[0] for one in found] for name, found in results.items()}
    cpu = {name: [one[1] for one in found] for name, found in results.items()}
    mine = "ours, hook"
    rows = [
        [name, spread(wall[name], 3), spread(cpu[name], 3)]
        + [spread(ratios(times[mine], times[name])) for times in (wall, cpu)]
        for name in ways
    ]
    aims = [
        Aim(f"ours over {name}, {what}", most, statistics.median(ratios(times[mine], times[name])))
        for name, most in (("requests.Session", 1.1), ("openai SDK", 1.0))
        for what, times in (("time", wall), ("CPU", cpu))
    ]
    return Report(
        "steady",
        f"{rounds * block:,} conversations created one after the other by each way, in turns of {block}, in one "
        "process with the logging of an Airflow task. The server answers at once, so that nothing hides what a call "
        "costs here.",
        ["way", "ms a call", "CPU ms a call", "ours / this, time", "ours / this, CPU"],
        rows,
        aims,
    )


def _timed(create: Callable[[], str], count: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        create()
    return (time.perf_counter() - wall) / count * 1000, (time.process_time() - cpu) / count * 1000
