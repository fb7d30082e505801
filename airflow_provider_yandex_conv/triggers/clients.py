"""One client for all triggers of an event loop that use the same Airflow connection: one token, one pool."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from airflow_provider_yandex_conv.exceptions import YandexAIStudioError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient

#: Seconds in which a client is given to triggers that begin; then the Airflow connection is looked up for the next.
_GIVEN_FOR = 60.0
#: How many looks may be under way at once. A triggerer that starts begins all its waits in the same moment: without a
#: limit, five thousand connections are opened at once, which keeps its loop from all else for seconds.
_UNDER_WAY = 50


@asynccontextmanager
async def shared_client(conn_id: str) -> AsyncIterator[AsyncClient]:
    """
    Give a client, which is closed when the last trigger that uses it has ended.

    A trigger keeps the settings that it began with. One that begins sees a change of the Airflow connection a minute
    later at most.

    :param conn_id: id of the Airflow connection.
    :raises ConfigurationError: the connection cannot be used; the message says which field to mend.
    """
    key = asyncio.get_running_loop(), conn_id
    shared = _given.get(key)
    if shared is None or not shared.is_given:
        shared = _given[key] = _Shared(conn_id)
    shared.users += 1
    try:
        yield await shared.client()
    finally:
        shared.users -= 1
        if shared.users == 0:
            if _given.get(key) is shared:  # else a newer one is given by now
                del _given[key]
            await shared.close()


class _Shared:
    """A client in the making, or made, and how many use it."""

    def __init__(self, conn_id: str) -> None:
        self.users = 0
        self._given_until = time.monotonic() + _GIVEN_FOR
        # In a task of its own, as a trigger that is cancelled must not cancel what the others wait for.
        self._making = asyncio.ensure_future(_make(conn_id))

    @property
    def is_given(self) -> bool:
        """Whether another trigger may have it."""
        failed = self._making.done() and (self._making.cancelled() or self._making.exception() is not None)
        return not failed and time.monotonic() < self._given_until

    async def client(self) -> AsyncClient:
        """Return it, once it is made."""
        await asyncio.wait({self._making})
        try:
            return self._making.result()
        except YandexAIStudioError as error:
            failure = copy.copy(error)  # each may change what it has met
        raise failure

    async def close(self) -> None:
        """Close it; where it is not made yet, leave it unmade."""
        if not self._making.done():
            self._making.cancel()
        elif not self._making.cancelled() and self._making.exception() is None:
            await self._making.result().close()


_given: dict[tuple[asyncio.AbstractEventLoop, str], _Shared] = {}


async def _make(conn_id: str) -> AsyncClient:
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

    client = await YandexAIStudioHook(conn_id).get_async_conn()
    client.limit(_UNDER_WAY)
    return client
