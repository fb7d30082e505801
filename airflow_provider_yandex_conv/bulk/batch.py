"""
A batch: things to be done by one window, from an input that is read as it is needed, with results in its order.

Two threads share the work. The event loop has one of its own and does nothing but calls. The calling thread does what
must not hold up a loop or is bound to it: it reads the input, notes what is to be noted, writes the log, and is where
Airflow raises when a task is to end. They hand over by two queues and a bell, neither of which takes a lock that an
exception out of a signal handler could leave taken: a result stays in its queue until it has been dealt with.

At any time so many *slots* are given out as things may be under way. A slot is given for the next thing of the input
once the result of the one before has been dealt with. Where there is a journal, that is: noted for good, in one write
with the intent for the next. So the things whose outcome a killed process leaves unknown are those slots, at most
``concurrency`` of them, however many a write takes in, and writing keeps up as it takes in all that came meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol

from airflow_provider_yandex_conv.api.wire import T
from airflow_provider_yandex_conv.bulk.outcome import Failure, Orphan
from airflow_provider_yandex_conv.bulk.progress import ProgressLine
from airflow_provider_yandex_conv.bulk.throttle import Throttle
from airflow_provider_yandex_conv.bulk.window import Trial, Window, is_for_all
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    BatchInputError,
    InterruptedCallError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient
    from airflow_provider_yandex_conv.sending import Log

#: Seconds in which answers may still come to a task that was told to stop; Airflow kills it after 5.
_GRACE = 2.5
#: How many things are read at a time.
_CHUNK_SIZE = 100


@dataclass(slots=True, eq=False)
class Job:
    """
    One thing to be done.

    :param index: its place in the input, from 0.
    :param spec: what it is.
    :param client_request_id: what its request carries.
    :param trial: how it has fared.
    """

    index: int
    spec: Any
    client_request_id: str
    trial: Trial = field(default_factory=Trial)


#: Does one thing. Asked to do it again after a lost answer, it first waits for what the third argument returns.
Work = Callable[[Window, Job, "Again"], Awaitable[T]]
Again = Callable[[Job, AmbiguousOutcomeError], Awaitable[None]]


class BatchJournal(Protocol):
    """Where a batch is kept so that a later process knows of it after this one died."""

    chunk_size: int

    def open(self, first: int, specs: Sequence[Any]) -> Mapping[int, Any]:
        """
        Return what earlier processes did of a part of the input: results by their index, or errors.

        :param first: the index of the first of ``specs``.
        """

    def begin(self, index: int, client_request_id: str) -> None:
        """Note an attempt, which is sent once :meth:`commit` has returned."""

    def settle(self, index: int, result: Any) -> None:
        """Note a result, or with None that the last attempt was certainly not applied."""

    def commit(self) -> None:
        """
        Keep all that was noted.

        :raises YandexAIStudioError: it cannot be kept. Nothing more is to be sent.
        """


@dataclass(slots=True)
class _Settled:
    """What the loop hands over: a result or an error; or a lost attempt, whose job waits for another."""

    job: Job
    result: Any = None
    error: YandexAIStudioError | None = None
    again: asyncio.Future[None] | None = None


class BatchRun(Generic[T]):
    """
    One batch on its way; used once. What came of it is in its attributes, also where :meth:`run` raises.

    :param client: of this batch alone; it is closed in the end, and its log is not to be written to for each request.
    :param work: does one thing, in the event loop.
    :param specs: the input.
    :param what: the things, for the log: ``conversations``.
    :param total: how many there are; None where the input does not say.
    :param concurrency: how many requests may be under way at most.
    :param rate: how many may leave in a second at most; None for any number.
    :param journal: None where nothing is kept.
    :param may_repeat: whether to do again what an earlier process may have done.
    """

    def __init__(
        self,
        client: AsyncClient,
        work: Work[T],
        specs: Iterator[Any],
        *,
        what: str,
        log: Log,
        total: int | None,
        concurrency: int,
        rate: float | None,
        journal: BatchJournal | None,
        may_repeat: bool,
    ) -> None:
        self._client = client
        self._work = work
        self._specs = specs
        self._what = what
        self._log = log
        self._concurrency = concurrency
        self._throttle = Throttle(concurrency=concurrency, rate=rate, retry=client.retry)
        self._journal = journal
        self._may_repeat = may_repeat
        self._chunk_size = journal.chunk_size if journal else _CHUNK_SIZE
        # Without a journal some are given out ahead, so that the loop need not wait for the calling thread.
        self._slots = concurrency if journal else 2 * concurrency
        self._progress = ProgressLine(what, log, total=total)
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        with suppress(queue.Empty):
            self._bell.get_nowait()  # for the reason that alarm.py gives
        self._settled: deque[_Settled] = deque()
        self._todo: deque[Job] = deque()
        #: The indices of what has a slot, and of what the loop is at work on.
        self._open: set[int] = set()
        self._handed: set[int] = set()
        self._is_read = False
        self._input_error: BatchInputError | None = None
        #: What was done since the journal was last told.
        self._unnoted: dict[int, T] = {}
        self._told_to_stop = False
        self._found = 0
        self._done = 0
        self._loop = asyncio.new_event_loop()
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._window = Window(client, self._throttle, client.retry, self._loop)
        self._broken: Exception | None = None
        self._workers: list[asyncio.Task[None]] = []
        #: In the order of the input, None for what is not done.
        self.results: list[T | None] = []
        self.failures: list[Failure] = []
        #: Attempts of unknown outcome.
        self.orphans: list[Orphan] = []
        #: Why the rest was not tried.
        self.stopped: YandexAIStudioError | None = None

    @property
    def throttle(self) -> Throttle:
        """What is known of the requests."""
        return self._throttle

    def run(self) -> None:
        """
        Do all of it, or all that can be done.

        :raises BaseException: what a signal handler raised in this thread, once what was under way has ended.
        :raises Exception: what is no error of a call, and ended one.
        """
        thread = threading.Thread(target=self._drive, name="yandex-ai-studio-batch", daemon=True)
        thread.start()
        try:
            while self._step():
                self._await_bell()
        except BaseException as stop:
            self._stop(
                InterruptedCallError(f"{type(stop).__name__} came before all {self._what} were done"), cut_off=True
            )
            raise
        finally:
            self._loop.call_soon_threadsafe(self._end)
            thread.join()
            self._take_in()
            self._commit_last()
            self.stopped = self.stopped or self._input_error
        if self._broken is not None:
            raise self._broken

    def interrupt(self) -> None:
        """Begin nothing any more; what is under way has 2.5 s left. Safe in a signal handler."""
        self._told_to_stop = True
        self._bell.put(None)

    # What follows is done by the calling thread.

    def _step(self) -> bool:
        """Deal with what has come, give out what may be, and return whether anything is under way."""
        if self._told_to_stop and self.stopped is None:
            self._stop(InterruptedCallError(f"told to stop before all {self._what} were done"), cut_off=True)
        again = self._take_in()
        given = self._give_out()
        if self._journal is not None and not self._commit(self._journal):
            given = []  # what was given out without being handed over is dealt with in the end
        self._progress.tell(done=self._done, found=self._found, failed=len(self.failures))
        if given or again:
            self._handed.update(job.index for job in given)
            self._loop.call_soon_threadsafe(self._hand_over, given, again)
        return bool(self._handed)

    def _await_bell(self) -> None:
        """Wait until something has come, or a line is due."""
        with suppress(queue.Empty):
            self._bell.get(timeout=max(0.05, self._progress.until_next))
            while True:
                self._bell.get_nowait()

    def _take_in(self) -> list[asyncio.Future[None]]:
        """Deal with the results so far, and return those that wait for another attempt."""
        again = []
        while self._settled:
            settled = self._settled[0]
            if settled.again is not None:
                self._take_in_lost(settled)
                again.append(settled.again)
            else:
                self._take_in_result(settled)
            self._settled.popleft()  # only now: what an exception interrupts is done once more
        self.stopped = self.stopped or self._window.stopped
        return again

    def _take_in_result(self, settled: _Settled) -> None:
        job, error = settled.job, settled.error
        self._handed.discard(job.index)
        if job.index not in self._open:
            return
        if error is None:
            self.results[job.index] = self._unnoted[job.index] = settled.result
            self._done += 1
        elif isinstance(error, AmbiguousOutcomeError):
            self._note_orphans(job.index, error)
        if error is not None and not _is_of_all(error, self._window):
            self.failures.append(Failure.of(job.index, error, may_repeat=self._may_repeat))
        if self._journal is not None and (error is None or error.applied is False):
            self._journal.settle(job.index, settled.result)
        self._open.discard(job.index)

    def _take_in_lost(self, settled: _Settled) -> None:
        """Give a job another name for its next attempt, after one whose outcome is unknown."""
        job = settled.job
        if isinstance(settled.error, AmbiguousOutcomeError):
            self._note_orphans(job.index, settled.error)
        job.client_request_id = str(uuid.uuid4())
        if self._journal is not None:
            self._journal.begin(job.index, job.client_request_id)

    def _note_orphans(self, index: int, lost: AmbiguousOutcomeError) -> None:
        for client_request_id in lost.client_request_ids:
            orphan = Orphan(index, client_request_id)
            if orphan not in self.orphans:
                self.orphans.append(orphan)
                self._log.warning(
                    "%s[%d]: an attempt may have left something behind that nobody can find again "
                    "(x-client-request-id %s). %s",
                    self._what,
                    index,
                    client_request_id,
                    lost.message,
                )

    def _give_out(self) -> list[Job]:
        """Return the jobs that the free slots are given to."""
        given: list[Job] = []
        while self.stopped is None and len(self._open) < self._slots and (self._todo or not self._is_read):
            if not self._todo:
                self._read_chunk()
                continue
            job = self._todo[0]
            self._open.add(job.index)
            if self._journal is not None:
                self._journal.begin(job.index, job.client_request_id)
            given.append(self._todo.popleft())
        return given

    def _read_chunk(self) -> None:
        first = len(self.results)
        specs = self._read_specs()
        known = self._ask_journal(first, specs)
        if known is None:
            return
        self.results += [None] * len(specs)
        for index, spec in enumerate(specs, first):
            found = known.get(index)
            if isinstance(found, AmbiguousOutcomeError):
                self._note_orphans(index, found)
            if found is None or (isinstance(found, AmbiguousOutcomeError) and self._may_repeat):
                self._todo.append(Job(index, spec, str(uuid.uuid4())))
            elif isinstance(found, YandexAIStudioError):
                self.failures.append(Failure.of(index, found, may_repeat=self._may_repeat))
            else:
                self.results[index] = found
                self._found += 1
                self._done += 1

    def _ask_journal(self, first: int, specs: Sequence[Any]) -> Mapping[int, Any] | None:
        """Return what is known of a chunk, or None where that cannot be told."""
        if self._journal is None or not specs:
            return {}
        try:
            return self._journal.open(first, specs)
        except YandexAIStudioError as error:
            self._stop(error)
            return None

    def _read_specs(self) -> list[Any]:
        specs: list[Any] = []
        try:
            for spec in islice(self._specs, self._chunk_size):
                specs.append(spec)  # noqa: PERF402  # what came before an error is kept
        except Exception as error:  # noqa: BLE001  # it is the author's, and what exists must not be lost with it
            place = len(self.results) + len(specs)
            self._input_error = BatchInputError(f"{self._what}[{place}] cannot be read ({_reason(error)})")
        self._is_read = len(specs) < self._chunk_size or self._input_error is not None
        return specs

    def _commit(self, journal: BatchJournal) -> bool:
        try:
            journal.commit()
        except YandexAIStudioError as error:
            self._stop(error)
            return False
        self._unnoted.clear()
        return True

    def _commit_last(self) -> None:
        """Note what came in the end, and that what was given out and never handed over was not sent."""
        if self._journal is None:
            return
        for index in self._open:
            self._journal.settle(index, None)
        try:
            self._journal.commit()
        except YandexAIStudioError as error:
            self.stopped = self.stopped or error
            done = ", ".join(f"[{index}] {result}" for index, result in self._unnoted.items()) or "nothing"
            self._log.warning(
                "%s: it could not be noted that these were done, so a retry does not know of it: %s. %s",
                self._what,
                done,
                error.message,
            )

    def _stop(self, why: YandexAIStudioError, *, cut_off: bool = False) -> None:
        """
        Begin nothing any more.

        :param cut_off: whether what is under way has 2.5 s left only.
        """
        self.stopped = self.stopped or why
        self._loop.call_soon_threadsafe(self._stop_window, why, _GRACE if cut_off else None)

    # What follows is done by the thread of the event loop.

    def _drive(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._work_off())
        finally:
            self._loop.close()

    async def _work_off(self) -> None:
        async with self._client:
            self._workers = [asyncio.create_task(self._worker()) for _ in range(self._concurrency)]
            await asyncio.gather(*self._workers, return_exceptions=True)

    async def _worker(self) -> None:
        while (job := await self._jobs.get()) is not None:
            try:
                result = await self._work(self._window, job, self._ask_again)
            except YandexAIStudioError as error:
                self._settle(_Settled(job, error=error))
            except asyncio.CancelledError:
                self._settle(_Settled(job, error=self._cut_off(job)))
                raise
            except Exception as error:  # noqa: BLE001  # it is raised where somebody sees it
                self._broken = error
                self._window.stop(self._not_done(job))
                self._settle(_Settled(job, error=self._not_done(job)))
            else:
                self._settle(_Settled(job, result=result))

    def _cut_off(self, job: Job) -> YandexAIStudioError:
        """Return what it means for a job that its task was cancelled."""
        cut = self._client.cut_off
        if isinstance(cut, AmbiguousOutcomeError) and job.client_request_id in cut.client_request_ids:
            return cut
        return self._not_done(job)

    def _not_done(self, job: Job) -> YandexAIStudioError:
        return InterruptedCallError(f"{self._what}[{job.index}]: stopped before it was done")

    async def _ask_again(self, job: Job, lost: AmbiguousOutcomeError) -> None:
        again: asyncio.Future[None] = self._loop.create_future()
        self._settle(_Settled(job, error=lost, again=again))
        await again

    def _settle(self, settled: _Settled) -> None:
        self._settled.append(settled)
        self._bell.put(None)

    def _hand_over(self, given: Sequence[Job], again: Sequence[asyncio.Future[None]]) -> None:
        for job in given:
            self._jobs.put_nowait(job)
        for future in again:
            if not future.done():
                future.set_result(None)

    def _stop_window(self, why: YandexAIStudioError, grace: float | None) -> None:
        self._window.stop(why)
        if grace is not None:
            self._loop.call_later(grace, self._cancel)

    def _cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is not None:
                self._settle(_Settled(job, error=self._not_done(job)))

    def _end(self) -> None:
        for _ in range(self._concurrency):
            self._jobs.put_nowait(None)


def _reason(error: Exception) -> str:
    """Return what is wrong with an input, without what a path that is none may hold."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_of_all(error: YandexAIStudioError, window: Window) -> bool:
    """Whether an error says nothing of the one that it met: the window was stopped, by this error or before."""
    if window.stopped is None or isinstance(error, AmbiguousOutcomeError):
        return False
    return error.transient or is_for_all(error)
