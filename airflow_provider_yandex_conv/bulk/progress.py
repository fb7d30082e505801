"""The line in the log that says how far a batch has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.sending import Log

#: Seconds between two lines.
_INTERVAL = 5.0


class ProgressLine:
    """
    Writes a line every few seconds.

    :param what: the things: ``conversations``.
    :param total: how many there are; None where the input does not say.
    :param clock: gives seconds, and does not go back.
    """

    def __init__(self, what: str, log: Log, *, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._log = log
        self._total = total
        self._clock = clock
        self._began = self._told_at = clock()

    @property
    def until_next(self) -> float:
        """Seconds until the next line is due."""
        return max(0.0, self._told_at + _INTERVAL - self._clock())

    def tell(self, *, done: int, found: int, failed: int) -> None:
        """
        Write a line where one is due.

        :param done: things that are done, ``found`` included.
        :param found: things that were done before.
        :param failed: things that failed.
        """
        if self.until_next:
            return
        self._told_at = self._clock()
        rate = (done - found + failed) / (self._told_at - self._began)
        of = "" if self._total is None else f" of {self._total:,}"
        line = f"{done:,}{of} {self._what} done, {failed:,} failed, {rate:.1f} per second"
        if self._total is not None and rate:
            line += f", about {(self._total - done - failed) / rate:.0f} s left"
        self._log.info("%s", line)
