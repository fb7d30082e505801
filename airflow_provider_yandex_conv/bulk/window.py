"""
A bounded window over the async client: so many requests under way at once, and one back-off for all.

A request waits for its turn, is sent once, and what came of it is told to the throttle before anybody else's turn. What
may be sent again without harm is, until others succeed and it does not, or nobody has succeeded for too long.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, Safety, T
from airflow_provider_yandex_conv.exceptions import (
    APIStatusError,
    AuthenticationError,
    ConfigurationError,
    CredentialRefreshError,
    InterruptedCallError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnsupportedEndpointError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient
    from airflow_provider_yandex_conv.bulk.throttle import Throttle

#: What meets every request alike, unless it is transient.
_FOR_ALL = (
    AuthenticationError,
    ConfigurationError,
    CredentialRefreshError,
    PermissionDeniedError,
    UnsupportedEndpointError,
)


class _Once(RequestRetry):
    """Sends a request once, and a second time only with another token, as the window decides on all else."""

    __slots__ = ()

    def delay(self, error: YandexAIStudioError, safety: Safety, attempt: int, draw: float) -> None:
        del error, safety, attempt, draw

    def why_not(self, error: YandexAIStudioError, safety: Safety, attempt: int) -> None:
        del error, safety, attempt


class Trial:
    """
    How one thing to be done has fared so far.

    :param failures: requests for it that failed in a way that may pass.
    """

    __slots__ = ("_successes", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._successes = 0

    def fail(self, successes: int) -> None:
        """Count a failure, and note how many requests of the window had succeeded at the first."""
        if not self.failures:
            self._successes = successes
        self.failures += 1

    def is_hopeless(self, attempts: int, successes: int) -> bool:
        """Whether it has failed as often as it may, and others have succeeded meanwhile."""
        return self.failures >= attempts and successes > self._successes


class Window:
    """
    Sends calls within the limits of a throttle. Used within one event loop, and stopped before a call is cancelled.

    :param retry: how often and how patiently one request is sent again; ``timeout`` is how long nobody may succeed.
    """

    def __init__(
        self, client: AsyncClient, throttle: Throttle, retry: RequestRetry, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.client = client
        self.throttle = throttle
        self.retry = retry
        self._once = _Once(attempts=2, timeout=retry.timeout)
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        #: Why nothing more is sent.
        self.stopped: YandexAIStudioError | None = None

    def stop(self, why: YandexAIStudioError) -> None:
        """Let no request leave any more; those under way go on."""
        if self.stopped is None:
            self.stopped = why
            self._admit()

    async def send(self, call: Call[T], *, client_request_id: str | None = None, trial: Trial | None = None) -> T:
        """
        Send a call, and again where that does no harm and can help.

        :param client_request_id: what the request carries; None for a new id.
        :param trial: how it has fared before.
        :raises AmbiguousOutcomeError: the call creates something, and whether it did is not known. All that is to be
            waited for before it is sent again has been.
        :raises InterruptedCallError: the window was stopped before it was sent.
        :raises YandexAIStudioError: it failed; where all would, the window is stopped.
        """
        trial = Trial() if trial is None else trial
        may_be_done = False
        while True:
            await self._turn(call.name)
            try:
                result = await self.client.send(call, retry=self._once, client_request_id=client_request_id)
            except YandexAIStudioError as error:
                failure = error
                self._note(failure, trial)
            else:
                self.throttle.succeeded(time.monotonic())
                return result
            finally:
                self.throttle.came_back()
                self._admit()
            if may_be_done and isinstance(failure, NotFoundError) and call.if_gone is not None:
                return call.if_gone
            may_be_done = may_be_done or failure.applied is None
            try:
                again = await self._wants_another(failure, call, trial)
            except asyncio.CancelledError:
                if failure.applied is False:
                    raise
                again = False  # what may have been done is what is to be told
            if not again:
                raise failure

    async def _turn(self, name: str) -> None:
        """Wait until a request may leave, and count it."""
        if self.stopped is None and not self._waiting and self.throttle.wait(now := time.monotonic()) == 0:
            self.throttle.leave(now)
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(turn)
        self._admit()
        await turn
        if self.stopped is not None:
            raise InterruptedCallError(f"{name}: stopped before it was sent")

    def _admit(self) -> None:
        """Let all leave whose turn it is, and see to it that the others are thought of when theirs comes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            now = time.monotonic()
            wait = 0.0 if self.stopped is not None else self.throttle.wait(now)
            if wait:
                self._timer = self._loop.call_later(wait, self._admit)
            if wait != 0:
                return
            if self.stopped is None:
                self.throttle.leave(now)
            self._waiting.popleft().set_result(None)

    def _note(self, error: YandexAIStudioError, trial: Trial) -> None:
        now = time.monotonic()
        if isinstance(error, RateLimitError):
            self.throttle.refused(error, now)
        elif error.transient:
            trial.fail(self.throttle.successes)
            self.throttle.failed(error, now)
        elif isinstance(error, APIStatusError) and not is_for_all(error):
            self.throttle.succeeded(now)  # the server is there, and at work
        if is_for_all(error):
            self.stop(error)
        elif error.transient and (why := self.throttle.why_stop(error, now)):
            error.gave_up = why
            self.stop(error)

    async def _wants_another(self, error: YandexAIStudioError, call: Call[Any], trial: Trial) -> bool:
        """Tell whether a request is sent again, once the wait that is its own is over."""
        if not error.transient or self.stopped is not None:
            return False
        if not isinstance(error, RateLimitError):
            if trial.is_hopeless(self.retry.attempts, self.throttle.successes):
                error.gave_up = f"Gave up after {trial.failures} of {self.retry.attempts} attempts"
                return False
            if not self.throttle.is_outage:  # else it waits with all others
                await self._pause(error, trial)
        return call.safety is Safety.REPEATABLE or error.applied is False

    async def _pause(self, error: YandexAIStudioError, trial: Trial) -> None:
        longest = min(self.retry.wait_max, self.retry.wait_initial * 2.0 ** min(trial.failures - 1, 64))
        await asyncio.sleep(random.random() * longest if error.retry_after is None else error.retry_after)


def is_for_all(error: YandexAIStudioError) -> bool:
    """Whether every other request would meet it as well, and no retry can mend it."""
    return isinstance(error, _FOR_ALL) and not error.transient
