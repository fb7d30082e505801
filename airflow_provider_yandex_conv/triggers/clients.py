"""One client for all triggers of an event loop that use the same Airflow connection: one token, one pool."""

from __future__ import annotations

import asyncio
import copy
import time
from typing import TYPE_CHECKING

from airflow_provider_yandex_conv.exceptions import YandexAIStudioError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient

#: Seconds in which a client is given to triggers that begin; then the Airflow connection is looked up for the next.
_GIVEN_FOR = 60.0
#: How many looks may be under way at once. A triggerer that starts begins all its waits in the same moment: without a
#: limit, five thousand connections are opened at once, which keeps its loop from all else for seconds.
_UNDER_WAY = 50


class SharedClient:
    """
    A client for the length of an ``async with``, which is closed when the last trigger that uses it has ended.

    Of a class and not of a generator, as thousands are held at once.

    A trigger keeps the settings that it began with. One that begins sees a change of the Airflow connection a minute
    later at most.

    :param conn_id: id of the Airflow connection.
    :raises ConfigurationError: the connection cannot be used; the message says which field to mend.
    """

    __slots__ = ("_conn_id", "_shared")

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    async def __aenter__(self) -> AsyncClient:
        key = asyncio.get_running_loop(), self._conn_id
        shared = _given.get(key)
        if shared is None or not shared.is_given:
            shared = _given[key] = _Shared(key)
        self._shared = shared
        shared.users += 1
        try:
            return await shared.client()
        except BaseException:
            await shared.leave()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        await self._shared.leave()


class _Shared:
    """A client in the making, or made, and how many use it."""

    def __init__(self, key: _Key) -> None:
        self.users = 0
        self._key = key
        self._given_until = time.monotonic() + _GIVEN_FOR
        # In a task of its own, as a trigger that is cancelled must not cancel what the others wait for.
        self._making = asyncio.ensure_future(_make(key[1]))
        self._is_made = asyncio.Event()
        self._making.add_done_callback(lambda _: self._is_made.set())

    @property
    def is_given(self) -> bool:
        """Whether another trigger may have it."""
        failed = self._making.done() and (self._making.cancelled() or self._making.exception() is not None)
        return not failed and time.monotonic() < self._given_until

    async def client(self) -> AsyncClient:
        """Return it, once it is made."""
        await self._is_made.wait()
        try:
            return self._making.result()
        except YandexAIStudioError as error:
            failure = copy.copy(error)  # each may change what it has met
        raise failure

    async def leave(self) -> None:
        """Use it no more. The last one closes it; where it is not made yet, it is left unmade."""
        self.users -= 1
        if self.users:
            return
        if _given.get(self._key) is self:  # else a newer one is given by now
            del _given[self._key]
        if not self._making.done():
            self._making.cancel()
        elif not self._making.cancelled() and self._making.exception() is None:
            await self._making.result().close()


_Key = tuple[asyncio.AbstractEventLoop, str]
_given: dict[_Key, _Shared] = {}


async def _make(conn_id: str) -> AsyncClient:
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

    client = await YandexAIStudioHook(conn_id).get_async_conn()
    client.limit(_UNDER_WAY)
    return client
