"""
How many requests may be under way, and when the next may leave: pure decisions, told of each outcome.

A quota of the vendor is told by the text of its 429, as nothing else says which it is:

- ``... gauge quota limit exceed``: too many at once. Each such answer says that there was one too many, so each
  takes one from the limit. After a while without any, the limit grows by one; where that was too much, the next
  while is longer.
- ``... rate quota limit exceed``: too many in a time. All wait as long as the server asks, and then leave at the
  rate that was found to be allowed, which grows again in the same way.

What says nothing of quotas, such as a connection that is refused, is put down to the request, until several in a row
are met by it. From then on all wait, and one at a time finds out whether the server is back.

Source of the texts: https://yandex.cloud/en/docs/ai-studio/concepts/limits names the quotas; the words are observed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from airflow_provider_yandex_conv.api.arguments import check_window
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import RateLimitError, YandexAIStudioError

#: How many requests are under way before the first answer has come, which is the quota that a folder has by default;
#: from then on, one more for each answer.
#: Source: https://yandex.cloud/en/docs/ai-studio/concepts/limits
_START = 10
#: After how many answers without a refusal the limit grows: so at most every 64th request is one too many.
_GROW_AFTER = 64
_GROW_AFTER_MOST = 1024
#: How many requests in a row must fail for it to be put down to the server.
_OUTAGE = 3
#: What is kept of the rate at which requests were answered before one was refused.
_KEPT_RATE = 0.95
#: By what the rate grows.
_RATE_GROWTH = 1.05
#: Seconds by which requests that wait for their turn may be early, to make up for those that were late.
_SLACK = 0.01


class Throttle:
    """
    The limits of one window. Times are in seconds, of any clock that does not go back.

    :param concurrency: how many requests may be under way at most.
    :param rate: how many may leave in a second at most; None for any number.
    :param retry: how long to wait where the server does not say, and how long trouble is borne.
    :param draw: gives a number between 0 and 1.
    :raises ConfigurationError: a number is out of its range.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        rate: float | None,
        retry: RequestRetry,
        draw: Callable[[], float] = random.random,
    ) -> None:
        check_window(concurrency, rate)
        self._most_rate = rate
        self._retry = retry
        self._draw = draw
        self._limit = min(concurrency, _START)
        self._is_starting = True
        self._rate = rate
        self._grow_after = _GROW_AFTER
        self._answers = 0
        self._has_grown = False
        self._answered_at: deque[float] = deque(maxlen=4096)
        self._next_at = 0.0
        self._resume_at = 0.0
        self._rounds = 0
        self._failures = 0
        self._trouble_since: float | None = None
        #: How many may be under way at most.
        self.concurrency = concurrency
        #: Requests under way.
        self.in_flight = 0
        #: Requests that were answered as they should be.
        self.successes = 0
        #: Requests that were refused because of a quota.
        self.refusals = 0

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return 1 if self.is_outage else self._limit

    @property
    def is_outage(self) -> bool:
        """Whether the server seems to be away, so that only one request at a time is sent."""
        return self._failures >= _OUTAGE

    def wait(self, now: float) -> float | None:
        """Return the seconds until another may leave: 0 for now, None for not before one has come back."""
        if self.in_flight >= self.limit:
            return None
        return max(0.0, self._resume_at - now, self._next_at - now)

    def leave(self, now: float) -> None:
        """Count a request that leaves."""
        self.in_flight += 1
        if self._rate is not None:
            self._next_at = max(self._next_at, now - _SLACK) + 1 / self._rate

    def came_back(self) -> None:
        """Count a request that is under way no more, whatever came of it."""
        self.in_flight -= 1

    def succeeded(self, now: float) -> None:
        """Note an answer, be it a refusal of what was asked."""
        self.successes += 1
        self._failures = self._rounds = 0
        self._trouble_since = None
        self._answered_at.append(now)
        self._answers += 1
        if self._is_starting:
            self._limit = min(self._limit + 1, self.concurrency)
        elif self._answers >= self._grow_after:
            self._grow()

    def refused(self, error: RateLimitError, now: float) -> None:
        """Note a refusal because of a quota."""
        self.refusals += 1
        self._trouble_since = self._trouble_since if self._trouble_since is not None else now
        too_many, too_fast = "gauge" in error.message, "rate quota" in error.message
        if too_many or not too_fast:
            self._shrink(now, error)
        if too_fast or not too_many:
            self._slow_down(now, error)

    def failed(self, error: YandexAIStudioError, now: float) -> None:
        """Note a request that failed in a way that may pass, such as a connection that is refused."""
        self._failures += 1
        self._trouble_since = self._trouble_since if self._trouble_since is not None else now
        if self.is_outage:
            self._pause(now, error.retry_after)

    def why_stop(self, error: YandexAIStudioError, now: float) -> str | None:
        """Say why nothing more is to be sent at all, or None."""
        if error.retry_after is not None and error.retry_after > self._retry.wait_max:
            return (
                f"Not waited for: {error.retry_after:g} s is more than the longest allowed wait of "
                f"{self._retry.wait_max:g} s"
            )
        if self._trouble_since is not None and now - self._trouble_since > self._retry.timeout:
            return f"Gave up as no request has succeeded in {self._retry.timeout:g} s"
        return None

    def _grow(self) -> None:
        self._answers = 0
        if self._has_grown:
            self._grow_after = _GROW_AFTER  # what it had grown by was not too much
        if self._rate is not None and self._rate != self._most_rate:
            self._rate *= _RATE_GROWTH
            if self._most_rate is not None:
                self._rate = min(self._rate, self._most_rate)
        self._limit = min(self._limit + 1, self.concurrency)
        self._has_grown = True

    def _shrink(self, now: float, error: RateLimitError) -> None:
        if self._limit == 1:
            self._pause(now, error.retry_after)  # others use the quota up
        self._limit = max(1, min(self._limit, self.in_flight) - 1)
        self._note_refusal()

    def _slow_down(self, now: float, error: RateLimitError) -> None:
        is_of_the_last = now < self._resume_at  # one of those that had left before
        self._pause(now, error.retry_after)
        if is_of_the_last:
            return
        recent = sum(1 for at in self._answered_at if at > now - 1)
        found = max(1.0, recent * _KEPT_RATE)
        self._rate = found if self._rate is None else min(self._rate, found)
        self._note_refusal()

    def _note_refusal(self) -> None:
        if self._has_grown:
            self._grow_after = min(self._grow_after * 2, _GROW_AFTER_MOST)
        self._has_grown = self._is_starting = False
        self._answers = 0

    def _pause(self, now: float, retry_after: float | None) -> None:
        if now < self._resume_at:  # one of those that had left before
            self._resume_at = max(self._resume_at, now + (retry_after or 0.0))
            return
        longest = min(self._retry.wait_max, self._retry.wait_initial * 2.0 ** min(self._rounds, 64))
        self._rounds += 1
        self._resume_at = now + (longest * (1 + self._draw()) / 2 if retry_after is None else retry_after)
