"""Create so many conversations at once with bare ``aiohttp`` and a semaphore: ``bulk_aiohttp.py COUNT CONCURRENCY``."""

import asyncio
import json
import os
import resource
import sys
import time

import aiohttp

count, concurrency = map(int, sys.argv[1:])


async def main() -> list[str]:
    window = asyncio.Semaphore(concurrency)
    url = f"{os.environ['BENCHMARK_URL']}/conversations"
    async with aiohttp.ClientSession(headers={"Authorization": "Api-Key benchmark"}) as session:

        async def create(number: int) -> str:
            async with window, session.post(url, json={"metadata": {"customer": str(number)}}) as answer:
                answer.raise_for_status()
                return (await answer.json())["id"]

        return await asyncio.gather(*map(create, range(count)))


before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
created = asyncio.run(main())
seconds = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
assert len(set(created)) == count, "each has an id of its own"
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpu_ms": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1000,
            "peak_mib": after.ru_maxrss / 1024,
        }
    )
)
