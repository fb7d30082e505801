"""Requests that are held until a test lets them go, so that it can act while they are at a known point."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from airflow_provider_yandex_conv.emulator.recorder import RecordedRequest


class Holds:
    """The requests that are held. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[RecordedRequest, Callable[[], None]]] = []

    async def wait(self, request: RecordedRequest) -> None:
        """Hold a request until :meth:`release`."""
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._lock:
            self._held.append((request, lambda: _wake(loop, go)))
        await go.wait()

    def held(self) -> list[RecordedRequest]:
        """Return the requests that are held, oldest first."""
        with self._lock:
            return [request for request, _ in self._held]

    def release(self) -> None:
        """Let all go that are held."""
        with self._lock:
            held, self._held = self._held, []
        for _, go_on in held:
            go_on()


def _wake(loop: asyncio.AbstractEventLoop, go: asyncio.Event) -> None:
    if not loop.is_closed():  # as it is where the server was stopped meanwhile
        loop.call_soon_threadsafe(go.set)
