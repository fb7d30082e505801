"""
The thread of a batch that sends: an event loop with so many workers as requests may be under way.

What is done goes into a queue, and a bell rings for the thread that reads it. Neither takes a lock that an exception
out of a signal handler could leave taken.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.bulk.job import Job, Settled, Work
from airflow_provider_yandex_conv.bulk.window import Window
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, InterruptedCallError, YandexAIStudioError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient
    from airflow_provider_yandex_conv.bulk.throttle import Throttle

#: Seconds in which answers may still come to a task that was told to stop; Airflow kills it after 5.
_GRACE = 2.5


class WorkLoop:
    """
    Works off jobs. Its methods are for another thread, but those of a ``Desk``.

    :param client: of this loop alone; it is closed in the end.
    :param work: does one job.
    """

    def __init__(self, client: AsyncClient, work: Work[Any], throttle: Throttle) -> None:
        self._client = client
        self._work = work
        self._loop = asyncio.new_event_loop()
        self._window = Window(client, throttle, client.retry, self._loop)
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._is_over = asyncio.Event()
        self._count = throttle.concurrency
        self._workers: list[asyncio.Task[None]] = []
        self._is_cut = False
        self._thread = threading.Thread(target=self._drive, name="yandex-ai-studio-batch", daemon=True)
        #: What became of jobs, oldest first; taken out by who has dealt with it.
        self.settled: deque[Settled] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        with suppress(queue.Empty):
            self._bell.get_nowait()  # for the reason that alarm.py gives
        #: What is no error of a call, and ended one.
        self.broken: Exception | None = None

    @property
    def stopped(self) -> YandexAIStudioError | None:
        """Why nothing more is sent."""
        return self._window.stopped

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hand_over(self, jobs: Sequence[Job], going_on: Sequence[asyncio.Future[None]]) -> None:
        """Give jobs to be done, and let those go on that wait for it."""
        self._loop.call_soon_threadsafe(self._take, jobs, going_on)

    def wait(self, seconds: float) -> None:
        """Wait until something has settled, or so long."""
        with suppress(queue.Empty):
            self._bell.get(timeout=seconds)
            while True:
                self._bell.get_nowait()

    def ring(self) -> None:
        """End a wait. Safe in a signal handler."""
        self._bell.put(None)

    def stop(self, why: YandexAIStudioError, *, cut_off: bool) -> None:
        """
        Begin nothing any more.

        :param cut_off: whether what is under way has 2.5 s left only.
        """
        self._loop.call_soon_threadsafe(self._stop, why, _GRACE if cut_off else None)

    def end(self) -> None:
        """Wait until all is settled that was handed over."""
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def _drive(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._work_off())
        finally:
            self._loop.close()
            self._work.close()

    async def _work_off(self) -> None:
        async with self._client:
            self._workers = [asyncio.create_task(self._worker()) for _ in range(self._count)]
            await asyncio.gather(*self._workers, return_exceptions=True)
            await self._is_over.wait()  # those that were cut off have ended before the other thread is done

    async def _worker(self) -> None:
        while (job := await self._jobs.get()) is not None:
            try:
                result = await self._work(self._window, job, self)
            except YandexAIStudioError as error:
                self._settle(Settled(job, error=error))
            except asyncio.CancelledError:
                self._settle(Settled(job, error=self._cut_off(job)))
                raise
            except Exception as error:  # noqa: BLE001  # it is raised where somebody sees it
                self.broken = error
                self._window.stop(self._not_done(job))
                self._settle(Settled(job, error=self._not_done(job)))
            else:
                self._settle(Settled(job, result=result))

    def _cut_off(self, job: Job) -> YandexAIStudioError:
        """Return what it means for a job that its task was cancelled."""
        cut = self._client.cut_off
        if isinstance(cut, AmbiguousOutcomeError) and job.client_request_id in cut.client_request_ids:
            return cut
        return self._not_done(job)

    def _not_done(self, job: Job) -> YandexAIStudioError:
        return InterruptedCallError(f"[{job.index}] was stopped before it was done")

    async def ask_again(self, job: Job, lost: AmbiguousOutcomeError) -> None:
        """Wait until a job may be sent again after an attempt of unknown outcome; it has a new name then."""
        await self._go_on(Settled(job, error=lost))

    async def note(self, job: Job, state: Any) -> None:
        """Wait until what a later process must know of a job is kept."""
        await self._go_on(Settled(job, note=state))

    async def _go_on(self, settled: Settled) -> None:
        settled.going_on = self._loop.create_future()
        self._settle(settled)
        await settled.going_on

    def _settle(self, settled: Settled) -> None:
        self.settled.append(settled)
        # Waking the other thread costs a tenth of a request, so it sleeps while there is enough to do here.
        if self._is_cut or settled.going_on is not None or self._jobs.qsize() <= self._count:
            self.ring()

    def _take(self, jobs: Sequence[Job], going_on: Sequence[asyncio.Future[None]]) -> None:
        for job in jobs:
            self._jobs.put_nowait(job)
        if self._is_cut:
            self._throw_away()
        for future in going_on:
            if not future.done():
                future.set_result(None)

    def _stop(self, why: YandexAIStudioError, grace: float | None) -> None:
        self._window.stop(why)
        if grace is not None:
            self._loop.call_later(grace, self._cancel)

    def _cancel(self) -> None:
        self._is_cut = True
        for worker in self._workers:
            worker.cancel()
        self._throw_away()

    def _throw_away(self) -> None:
        """Settle the jobs that no worker takes any more."""
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is not None:
                self._settle(Settled(job, error=self._not_done(job)))
        self._dismiss()  # a worker whose job ended with an answer or an error of its own asks for another

    def _end(self) -> None:
        self._is_over.set()
        self._dismiss()

    def _dismiss(self) -> None:
        """Let each worker end once there is no job left."""
        for _ in range(self._count):
            self._jobs.put_nowait(None)
