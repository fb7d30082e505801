"""How a batch ends that is not complete."""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.exceptions.base import YandexAIStudioError


class BatchIncompleteError(YandexAIStudioError):
    """
    Some of many things were done, and some were not.

    :param final: whether no later try can do any of those that are left.
    """

    def __init__(self, message: str, *, final: bool = False, **details: Any) -> None:
        super().__init__(message, **details)
        self._final = final
        self.transient = not final

    @property
    def final(self) -> bool:
        """Whether no later try can do any of those that are left."""
        return self._final

    def _fate(self) -> str:
        return ""


class BatchInputError(YandexAIStudioError):
    """
    The input of a batch could not be read to its end.

    What was read of it is done; where a journal is kept, but for the last chunk, as a retry knows whole ones again.
    """

    transient = True
    advice = "A retry reads it again"

    def _fate(self) -> str:
        return ""
