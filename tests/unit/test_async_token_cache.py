"""One token for all tasks of an event loop. What it shares with the one for threads is tested there."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.tokens import AsyncTokenCache

DOWN = errors.InternalServerError("HTTP 503: down", status=503, request_id="r1", retry_after=2.0)


class Service:
    """Issues tokens that live for a thousand seconds, once it is open."""

    def __init__(self):
        self.now = 1000.0
        self.asked = 0
        self.failure = None
        self.open = asyncio.Event()
        self.cache = AsyncTokenCache(self.fetch, clock=lambda: self.now)

    async def fetch(self, within):
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return Token(Secret(f"t{number}", name="x"), received_at=self.now, expires_at=self.now + 1000)

    async def get(self, within=5.0):
        return (await self.cache.get(within=within)).secret.reveal()

    async def hold(self, count):
        """Let ``count`` tasks ask while the service does not answer."""
        tasks = [asyncio.create_task(self.get()) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


def run(test):
    """Run the test in an event loop, with a service."""

    def runs():
        async def main():
            await test(Service())

        asyncio.run(main())

    runs.__name__ = test.__name__
    return runs


@run
async def test_tasks_fetch_one_token_and_keep_it(service):
    tasks = await service.hold(8)
    service.open.set()
    assert await asyncio.gather(*tasks) == ["t1"] * 8
    assert await service.get() == "t1"
    service.now += 901
    assert await service.get() == "t2"
    assert service.asked == 2


@run
async def test_tasks_share_one_failure_each_with_an_error_of_its_own(service):
    service.failure = DOWN
    tasks = await service.hold(8)
    service.open.set()
    raised = await asyncio.gather(*tasks, return_exceptions=True)
    assert service.asked == 1
    assert {type(one) for one in raised} == {errors.CredentialRefreshError}
    assert len({id(one) for one in raised}) == 8
    assert (raised[0].message, raised[0].transient, raised[0].retry_after) == (DOWN.message, True, 2.0)


@run
async def test_a_task_that_fetches_and_is_cancelled_leaves_it_to_another(service):
    first, *others = await service.hold(4)
    first.cancel()
    service.open.set()
    assert await asyncio.gather(*others) == ["t2"] * 3
    assert first.cancelled()


@run
async def test_a_task_that_waits_and_is_cancelled_takes_nothing_from_the_others(service):
    first, second, third = await service.hold(3)
    second.cancel()
    await asyncio.sleep(0)
    service.open.set()
    assert await asyncio.gather(first, third) == ["t1", "t1"]
    assert second.cancelled()


@run
async def test_a_task_does_not_wait_for_another_beyond_its_time(service):
    (first,) = await service.hold(1)
    began = time.monotonic()
    with pytest.raises(errors.CredentialRefreshError, match=r"no token in 0\.1 s") as raised:
        await service.get(within=0.1)
    assert time.monotonic() - began < 2
    assert raised.value.transient
    service.open.set()
    assert await first == "t1"
