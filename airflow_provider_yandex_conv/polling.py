"""
Waiting for something at the vendor, look after look: the same decisions in a task and in a trigger.

A task drives a wait with :meth:`Polling.drive`, a trigger with :meth:`Polling.drive_async`; when to look again and when
to give up is decided here, once.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from airflow_provider_yandex_conv.api.wire import T
from airflow_provider_yandex_conv.exceptions import (
    ConfigurationError,
    InterruptedCallError,
    PollTimeoutError,
    YandexAIStudioError,
)
from airflow_provider_yandex_conv.sending import Log, summary

#: By what the wait before each look is longer than the one before.
_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """
    When to look.

    The first look is at once. The wait before look *n + 1* is drawn evenly between the half and the whole of
    ``interval * 1.5 ** (n - 1)``, which grows to ``max_interval``, so that many who wait do not look all at the same
    time.

    :param interval: the longest wait before the second look, in seconds; also before all others where it is above
        ``max_interval``.
    :param deadline: Unix seconds, as a wait may go on in another process; None to wait for ever. The last look is at
        the deadline, and there is one even if that has passed.
    :param failures: how many looks in a row may fail.
    :param max_interval: the longest wait before any other look, in seconds.
    :raises ConfigurationError: a number is out of its range.
    """

    interval: float = 1.0
    deadline: float | None = None
    failures: int = 5
    max_interval: float = 15.0

    def __post_init__(self) -> None:
        for interval in (self.interval, self.max_interval):
            if not _is_number(interval) or interval <= 0:
                raise ConfigurationError(f"the poll interval must be a number greater than 0, got {interval!r}")
        if self.deadline is not None and not _is_number(self.deadline):
            raise ConfigurationError(f"the deadline must be Unix seconds or None, got {self.deadline!r}")
        if isinstance(self.failures, bool) or not isinstance(self.failures, int) or self.failures < 0:
            raise ConfigurationError(f"the failures in a row must be a number of at least 0, got {self.failures!r}")

    def wait(self, looks: int, draw: float) -> float:
        """
        Return the seconds to wait before the next look, the deadline aside.

        :param looks: how many there were, from 1.
        :param draw: a number between 0 and 1, drawn evenly by the caller.
        """
        # The exponent is bounded as a float would overflow in a wait of weeks.
        longest = min(max(self.max_interval, self.interval), self.interval * _GROWTH ** min(looks - 1, 64))
        return longest * (1 + draw) / 2

    def time_left(self, now: float) -> float:
        """Return the seconds from ``now``, in Unix seconds, to the deadline; 0 when it has passed."""
        return math.inf if self.deadline is None else max(0.0, self.deadline - now)


class Polling(Generic[T]):
    """
    One wait on its way.

    :param name: what is waited for, for messages: ``response resp_1``.
    :param is_over: whether what a look has found is what is waited for.
    :param log: gets one INFO line for each look that fails and is tolerated.
    :param clock: gives Unix seconds.
    :param draw: gives a number between 0 and 1.
    """

    def __init__(
        self,
        name: str,
        schedule: PollSchedule,
        is_over: Callable[[T], bool],
        *,
        log: Log,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._schedule = schedule
        self._is_over = is_over
        self._log = log
        self._clock = clock
        self._draw = draw
        self._looks = 0
        self._failures = 0
        self._found: T | None = None
        self._failure: YandexAIStudioError | None = None

    def drive(self, look: Callable[[], T], *, pause: Callable[[float], None]) -> T:
        """
        Look until it is over, and return what the last look found.

        :param look: looks once. It may take as long as its own limits allow, also beyond the deadline.
        :param pause: waits for so many seconds. It may return early when the task is told to stop, where the next look
            then raises ``InterruptedCallError``, as ``Client.pause`` and ``Client.send`` do.
        :raises PollTimeoutError: the deadline has passed.
        :raises YandexAIStudioError: what a look met that no other would mend, or the last of too many in a row.
        """
        while True:
            try:
                found = look()
            except YandexAIStudioError as error:
                delay = self._after_failure(error)
            else:
                if self._ends_with(found):
                    return found
                delay = self._after_look()
            pause(delay)

    async def drive_async(
        self, look: Callable[[], Awaitable[T]], *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> T:
        """
        Do as :meth:`drive` does, in an event loop.

        :raises asyncio.CancelledError: the task was cancelled.
        """
        while True:
            try:
                found = await look()
            except YandexAIStudioError as error:
                delay = self._after_failure(error)
            else:
                if self._ends_with(found):
                    return found
                delay = self._after_look()
            await pause(delay)

    def _ends_with(self, found: T) -> bool:
        self._looks += 1
        self._failures, self._failure = 0, None
        self._found = found
        return self._is_over(found)

    def _after_look(self) -> float:
        return self._until_next(self._schedule.wait(self._looks, self._draw()))

    def _after_failure(self, error: YandexAIStudioError) -> float:
        """Return how long to wait after a look that failed, or raise why there is no other."""
        self._looks += 1
        self._failures += 1
        self._failure = error
        if error.final or isinstance(error, InterruptedCallError) or self._failures > self._schedule.failures:
            raise error
        delay = self._until_next(max(self._schedule.wait(self._looks, self._draw()), error.retry_after or 0.0))
        self._log.info(
            "%s: look %d failed, %d in a row of the %d that may: %s; the next one follows in %.2f s",
            self._name,
            self._looks,
            self._failures,
            self._schedule.failures,
            summary(error),
            delay,
        )
        return delay

    def _until_next(self, delay: float) -> float:
        left = self._schedule.time_left(self._clock())
        if left == 0:
            raise PollTimeoutError(
                f"{self._name}: not over by the deadline, after {self._looks} looks", found=self._found
            ) from self._failure
        return min(delay, left)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
