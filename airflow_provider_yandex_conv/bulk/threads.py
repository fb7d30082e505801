"""
What takes several calls for each thing, one after the other: the code for one client, in threads, through one window.

So there is no second version of that code for an event loop: each of its calls goes through the window like any other,
and waits there for its turn. A thread is blocked meanwhile, so there are as many as requests may be under way.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_yandex_conv.api.wire import Call, T
from airflow_provider_yandex_conv.exceptions import (
    InterruptedCallError,
    UnsupportedEndpointError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.bulk.job import Desk, Job
    from airflow_provider_yandex_conv.bulk.window import Window
    from airflow_provider_yandex_conv.sending import AttemptJournal, Log


class CutOffError(BaseException):
    """The batch was told to stop, in the middle of a call or of a wait."""


class WindowClient:
    """
    A client for one thread, whose calls go through a window. A ``Caller``.

    :param loop: that of the window.
    """

    def __init__(self, window: Window, loop: asyncio.AbstractEventLoop, job: Job, desk: Desk, log: Log) -> None:
        self.endpoint = window.client.endpoint
        self.retry = window.retry
        self.log = log
        self.connection_id = window.client.connection_id
        #: The call that creates something and was cut off.
        self.cut_off: YandexAIStudioError | None = None
        self.job = job
        self._window = window
        self._loop = loop
        self._desk = desk
        self._waits_for: asyncio.Future[Any] | None = None
        self._is_cut = False

    def send(self, call: Call[T], *, journal: AttemptJournal | None = None) -> T:
        """
        Send a call, once it is its turn.

        :raises CutOffError: the batch was told to stop.
        :raises YandexAIStudioError: what :meth:`Window.send` raises.
        """
        client_request_id = str(uuid.uuid4())
        if journal is not None:
            journal.begin(client_request_id)
        try:
            return self._result(self._send(call, client_request_id))
        except YandexAIStudioError as error:
            if journal is not None and error.applied is False:
                journal.refused(client_request_id)
            raise

    def pause(self, seconds: float) -> None:
        """
        Wait.

        :raises CutOffError: the batch was told to stop.
        """
        self._result(asyncio.sleep(seconds))

    def note(self, state: Any) -> None:
        """Wait until what a later process must know is kept."""
        self._result(self._desk.note(self.job, state))

    def cut(self) -> None:
        """End what the thread waits for, now and later. Called in the event loop."""
        self._is_cut = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    async def _send(self, call: Call[T], client_request_id: str) -> T:
        try:
            return await self._window.send(call, client_request_id=client_request_id)
        except asyncio.CancelledError:
            cut = self._window.client.cut_off
            if cut is not None and client_request_id in getattr(cut, "client_request_ids", ()):
                self.cut_off = cut
            raise

    def _result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(self._cut_short(coroutine), self._loop).result()
        except concurrent.futures.CancelledError:
            raise CutOffError from None

    async def _cut_short(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let a coroutine be cancelled by :meth:`cut`, and see it end before the thread goes on."""
        task = asyncio.ensure_future(coroutine)
        self._waits_for = task
        if self._is_cut:
            task.cancel()
        return await task


class ThreadedWork(Generic[T]):
    """
    Does one thing by a function in a thread.

    :param do: does it.
    :param threads: how many there are.
    :param notes_itself: whether it notes what a later process must know before it sends what leaves something behind.
    """

    def __init__(self, do: Callable[[WindowClient], T], *, threads: int, notes_itself: bool, log: Log) -> None:
        self.notes_itself = notes_itself
        self._do = do
        self._log = log
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="yandex-ai-studio-batch")

    async def __call__(self, window: Window, job: Job, desk: Desk) -> T:
        """
        Do it.

        :raises YandexAIStudioError: what the function raises; where it was cut off, what is known of that.
        """
        loop = asyncio.get_running_loop()
        client = WindowClient(window, loop, job, desk, self._log)
        ending: asyncio.Future[T] = loop.run_in_executor(self._threads, self._do, client)
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            client.cut()
            with suppress(CutOffError):
                return await ending
            raise client.cut_off or InterruptedCallError("told to stop before it was done") from None
        except UnsupportedEndpointError as error:
            window.stop(error)  # found out by reading what is there, and so not noticed by the window
            raise

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
