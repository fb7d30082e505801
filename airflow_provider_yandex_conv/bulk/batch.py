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
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic

from airflow_provider_yandex_conv.api.wire import T
from airflow_provider_yandex_conv.bulk.job import BatchJournal, Job, Settled, Work
from airflow_provider_yandex_conv.bulk.outcome import Failure, Orphan
from airflow_provider_yandex_conv.bulk.progress import ProgressLine
from airflow_provider_yandex_conv.bulk.window import is_for_all
from airflow_provider_yandex_conv.bulk.work_loop import WorkLoop
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    BatchInputError,
    InterruptedCallError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient
    from airflow_provider_yandex_conv.bulk.source import Source
    from airflow_provider_yandex_conv.bulk.throttle import Throttle
    from airflow_provider_yandex_conv.sending import Log

#: How many things are read at a time where there is no journal.
_CHUNK_SIZE = 100
#: How many things are given out for each request that may be under way, where there is no journal.
_AHEAD = 8
#: Seconds after which a result is noted, also where nobody waits for its slot.
_LONGEST_UNNOTED = 0.25
#: Seconds in which a batch that ends early asks for what was done before, as its task may be about to be killed.
_LONGEST_LOOK = 1.0


class BatchRun(Generic[T]):
    """
    One batch on its way; used once. What came of it is in its attributes, also where :meth:`run` raises.

    :param client: of this batch alone; it is closed in the end, and its log is not to be written to for each request.
    :param work: does one thing.
    :param source: the input.
    :param what: the things, for the log: ``conversations``.
    :param journal: None where nothing is kept.
    :param may_repeat: whether to do again what an earlier process may have done.
    """

    def __init__(
        self,
        client: AsyncClient,
        work: Work[T],
        source: Source,
        throttle: Throttle,
        *,
        what: str,
        log: Log,
        journal: BatchJournal | None,
        may_repeat: bool,
    ) -> None:
        self._loop = WorkLoop(client, work, throttle)
        self._throttle = throttle
        self._notes_itself = work.notes_itself
        self._specs = source.specs
        self._what = what
        self._log = log
        self._journal = journal
        self._may_repeat = may_repeat
        self._chunk_size = journal.chunk_size if journal else _CHUNK_SIZE
        # Without a journal many are given out ahead, so that the two threads seldom wait for each other.
        self._slots = throttle.concurrency * (1 if journal else _AHEAD)
        self._progress = ProgressLine(what, log, total=source.total)
        self._todo: deque[Job] = deque()
        #: The indices of what has a slot, and of what the loop is at work on.
        self._open: set[int] = set()
        self._handed: set[int] = set()
        #: What was done since the journal was last told.
        self._unnoted: dict[int, T] = {}
        self._is_read = False
        self._input_error: BatchInputError | None = None
        self._committed_at = 0.0
        self._told_to_stop = False
        self._found = 0
        self._done = 0
        #: In the order of the input, None for what is not done; of what was not read, what earlier tries did.
        self.results: list[T | None] = []
        self.failures: list[Failure] = []
        #: Attempts of unknown outcome.
        self.orphans: list[Orphan] = []
        #: Why the rest was not tried.
        self.stopped: YandexAIStudioError | None = None

    def run(self) -> None:
        """
        Do all of it, or all that can be done.

        :raises BaseException: what a signal handler raised in this thread, once what was under way has ended.
        :raises Exception: what is no error of a call, and ended one.
        """
        self._loop.start()
        try:
            while self._step():
                self._loop.wait(self._until_next())
        except BaseException as stop:
            self._stop(
                InterruptedCallError(f"{type(stop).__name__} came before all {self._what} were done"), cut_off=True
            )
            raise
        finally:
            self._loop.end()
            self._take_in()
            self._commit_last()
            self.stopped = self.stopped or self._input_error
            self._look_behind()
        if self._loop.broken is not None:
            raise self._loop.broken

    def interrupt(self) -> None:
        """Begin nothing any more; what is under way has 2.5 s left. Safe in a signal handler."""
        if self._told_to_stop:
            return
        self._told_to_stop = True
        with suppress(RuntimeError):  # it is over already
            self._loop.stop(self._interruption(), cut_off=True)
        self._loop.ring()

    def _interruption(self) -> InterruptedCallError:
        return InterruptedCallError(f"told to stop before all {self._what} were done")

    def _step(self) -> bool:
        """Deal with what has come, give out what may be, and return whether anything is under way."""
        if self._told_to_stop:
            self.stopped = self.stopped or self._interruption()
        going_on = self._take_in()
        if going_on or not self._can_wait():
            self._hand_over(going_on)
        self._progress.tell(done=self._done, found=self._found, failed=len(self.failures))
        return bool(self._handed)

    def _can_wait(self) -> bool:
        """
        Tell whether enough is given out already, so that a write may take in more.

        A write costs Airflow's API server more than a create costs us.
        """
        if self._journal is None or self.stopped is not None:
            return False
        idle = len(self._handed) - self._throttle.in_flight
        spare = self._slots - self._throttle.limit
        return 0 < spare < 2 * idle and time.monotonic() < self._committed_at + _LONGEST_UNNOTED

    def _hand_over(self, going_on: list[asyncio.Future[None]]) -> None:
        given = self._give_out()
        if self._journal is not None and not self._commit(self._journal):
            given = []  # what was given out without being handed over is dealt with in the end
        if given or going_on:
            self._handed.update(job.index for job in given)
            self._loop.hand_over(given, going_on)

    def _until_next(self) -> float:
        """Return the seconds after which there is something to be done, whether or not anything comes."""
        until = self._progress.until_next
        if self._unnoted and self._journal is not None:
            until = min(until, self._committed_at + _LONGEST_UNNOTED - time.monotonic())
        return max(0.05, until)

    def _take_in(self) -> list[asyncio.Future[None]]:
        """Deal with the results so far, and return those that wait for another attempt."""
        again = []
        while self._loop.settled:
            settled = self._loop.settled[0]
            if settled.going_on is not None:
                self._take_in_step(settled)
                again.append(settled.going_on)
            else:
                self._take_in_result(settled)
            self._loop.settled.popleft()  # only now: what an exception interrupts is done once more
        self.stopped = self.stopped or self._loop.stopped
        return again

    def _take_in_result(self, settled: Settled) -> None:
        job, error = settled.job, settled.error
        self._handed.discard(job.index)
        if job.index not in self._open:
            return
        if error is None:
            self.results[job.index] = self._unnoted[job.index] = settled.result
            self._done += 1
        elif isinstance(error, AmbiguousOutcomeError) and not self._notes_itself:
            self._note_orphans(job.index, error)
        if error is not None and not self._is_of_all(error):
            self.failures.append(Failure.of(job.index, error, may_repeat=self._may_repeat))
        has_left_nothing = error is not None and error.applied is False and not self._notes_itself
        if self._journal is not None and (error is None or has_left_nothing):
            self._journal.settle(job.index, settled.result)
        self._open.discard(job.index)

    def _take_in_step(self, settled: Settled) -> None:
        """Note how far a job has come; after an attempt of unknown outcome it gets another name for the next."""
        job, state = settled.job, settled.note
        if isinstance(settled.error, AmbiguousOutcomeError):
            self._note_orphans(job.index, settled.error)
            state = job.client_request_id = str(uuid.uuid4())
        if self._journal is not None:
            self._journal.begin(job.index, state)

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
            if not self._todo and given:
                break  # reading may take its time, which these need not wait for
            if not self._todo:
                self._read_chunk()
                continue
            job = self._todo[0]
            self._open.add(job.index)
            if self._journal is not None and not self._notes_itself:
                self._journal.begin(job.index, job.client_request_id)
            given.append(self._todo.popleft())
        return given

    def _read_chunk(self) -> None:
        first = len(self.results)
        specs = self._read_specs()
        if self._input_error is not None and self._journal is not None:
            return  # a retry that can read all of the chunk would not know it again by this part
        known = self._ask_journal(first, specs)
        if known is None:
            return
        self.results += [None] * len(specs)
        done, begun = known
        for index, spec in enumerate(specs, first):
            if index in done:
                self.results[index] = done[index]
                self._found += 1
                self._done += 1
                continue
            job = Job(index, spec, str(uuid.uuid4()), begun.get(index))
            if job.earlier is None or self._notes_itself or self._may_go_on(job):
                self._todo.append(job)

    def _may_go_on(self, job: Job) -> bool:
        """Tell of an attempt of an earlier process whose outcome it did not note, and whether another may follow."""
        lost = AmbiguousOutcomeError(
            "an earlier try ended before it could note an answer", client_request_ids=(str(job.earlier),)
        )
        self._note_orphans(job.index, lost)
        if not self._may_repeat:
            self.failures.append(Failure.of(job.index, lost, may_repeat=False))
        return self._may_repeat

    def _ask_journal(self, first: int, specs: Sequence[Any]) -> tuple[Mapping[int, Any], Mapping[int, Any]] | None:
        """Return what is known of a chunk, or None where that cannot be told."""
        if self._journal is None or not specs:
            return {}, {}
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
        self._committed_at = time.monotonic()
        return True

    def _commit_last(self) -> None:
        """Note what came in the end, and that what was given out and never handed over was not sent."""
        if self._journal is None:
            return
        if not self._notes_itself:
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

    def _look_behind(self) -> None:
        """Find what earlier tries did behind the place that this one has come to."""
        if self._journal is None:
            return
        with suppress(YandexAIStudioError):  # what there is to tell besides is more
            if self._is_read and self._input_error is None:
                self._journal.put_aside_rest(len(self.results))
                return
            until = time.monotonic() + _LONGEST_LOOK
            for results in self._journal.later(len(self.results)):
                self.results += results
                if time.monotonic() > until:
                    break

    def _stop(self, why: YandexAIStudioError, *, cut_off: bool = False) -> None:
        """
        Begin nothing any more.

        :param cut_off: whether what is under way has 2.5 s left only.
        """
        self.stopped = self.stopped or why
        self._loop.stop(why, cut_off=cut_off)

    def _is_of_all(self, error: YandexAIStudioError) -> bool:
        """Whether an error says nothing of the one that it met: all was stopped, by this error or before."""
        if self._loop.stopped is None or isinstance(error, AmbiguousOutcomeError) or error.stored_item_ids:
            return False
        return error.transient or is_for_all(error)


def _reason(error: Exception) -> str:
    """Return what is wrong with an input, without what a path that is none may hold."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
