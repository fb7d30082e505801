"""What is held until a test lets it go, so that it can act while a request or a response is at a known point."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Holds(Generic[T]):
    """The things that are held. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[T, Callable[[], None]]] = []

    async def wait(self, held: T) -> None:
        """Hold it until :meth:`release`."""
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._lock:
            self._held.append((held, lambda: _wake(loop, go)))
        await go.wait()

    def held(self) -> list[T]:
        """Return all that is held, oldest first."""
        with self._lock:
            return [one for one, _ in self._held]

    def release(self) -> None:
        """Let all go that are held."""
        with self._lock:
            held, self._held = self._held, []
        for _, go_on in held:
            go_on()


def _wake(loop: asyncio.AbstractEventLoop, go: asyncio.Event) -> None:
    if not loop.is_closed():  # as it is where the server was stopped meanwhile
        loop.call_soon_threadsafe(go.set)
