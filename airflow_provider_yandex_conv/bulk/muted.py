"""Logs for clients of whose every request a line would be one of ten thousand; the batch tells of them together."""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.sending import Log


class Muted:
    """Writes nothing."""

    def info(self, event: Any, /, *args: Any) -> None:
        """Write nothing."""

    def warning(self, event: Any, /, *args: Any) -> None:
        """Write nothing."""


class Quiet(Muted):
    """
    Writes nothing but what somebody should read.

    :param log: where to.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    def warning(self, event: Any, /, *args: Any) -> None:
        """Write a line that somebody should read."""
        self._log.warning(event, *args)
