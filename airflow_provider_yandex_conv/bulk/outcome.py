"""What came of many things that were to be done, in the order of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal

from airflow_provider_yandex_conv.api.wire import T
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    APIStatusError,
    ConfigurationError,
    NotFoundError,
    YandexAIStudioError,
)

#: ``invalid``: found before anything was sent; ``refused``: the server will not have it; ``missing``: there is no such
#: thing; ``ambiguous``: whether it was done is not known; ``failed``: all attempts failed, and nothing was done.
Kind = Literal["invalid", "refused", "missing", "ambiguous", "failed"]

_SHOWN_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """
    One thing that was not done.

    :param index: its place in the input, from 0.
    :param kind: one of ``invalid``, ``refused``, ``missing``, ``ambiguous``, ``failed``.
    :param error: the text of the error.
    :param final: whether doing it again can never help.
    :param in_part: whether some of it was done, or may have been.
    """

    index: int
    kind: Kind
    error: str
    final: bool
    in_part: bool = False

    @classmethod
    def of(cls, index: int, error: YandexAIStudioError, *, may_repeat: bool) -> Failure:
        """
        Return what an error amounts to.

        :param may_repeat: whether what may have been done may be done again.
        """
        kind = _kind_of(error)
        final = error.final or (kind == "ambiguous" and not may_repeat)
        in_part = kind == "ambiguous" or bool(error.stored_item_ids)
        return cls(index, kind, str(error)[:_SHOWN_CHARACTERS], final, in_part)


@dataclass(frozen=True, slots=True)
class Orphan:
    """
    What an attempt of unknown outcome may have left behind, and nobody can find again.

    :param index: the place in the input of what it was for, from 0.
    :param client_request_id: the ``x-client-request-id`` that the attempt carried.
    """

    index: int
    client_request_id: str

    def __str__(self) -> str:
        return f"{self.index}: {self.client_request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Generic[T]):
    """
    What all batches tell.

    :param results: in the order of the input, as far as this try or earlier ones have come; None for what was not done.
    :param failures: what was not done, by its place in the input.
    :param orphans: attempts of unknown outcome; what they may have left behind nobody can find again.
    :param stopped: why the rest was not tried, or None where all was.
    """

    results: Sequence[T | None]
    failures: Sequence[Failure] = ()
    orphans: Sequence[Orphan] = ()
    stopped: YandexAIStudioError | None = None

    @property
    def done(self) -> int:
        """How many were done."""
        return sum(one is not None for one in self.results)

    @property
    def is_complete(self) -> bool:
        """Whether all were done."""
        return not self.failures and self.stopped is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedConversations(Batch[str]):
    """The conversations that a batch created."""

    @property
    def ids(self) -> Sequence[str | None]:
        """Their ids in the order of the input, None where none was created."""
        return self.results


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedItems(Batch[Sequence[str]]):
    """The items that a batch added."""

    @property
    def item_ids(self) -> Sequence[Sequence[str] | None]:
        """For each conversation of the input the ids of its new items, None where not all were added."""
        return self.results


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedConversations(Batch[bool]):
    """The conversations that a batch deleted."""

    @property
    def deleted(self) -> Sequence[bool | None]:
        """In the order of the input, False where it was not there, None where it was not deleted."""
        return self.results


def _kind_of(error: YandexAIStudioError) -> Kind:
    if isinstance(error, ConfigurationError):
        return "invalid"
    if isinstance(error, AmbiguousOutcomeError):
        return "ambiguous"
    if isinstance(error, NotFoundError):
        return "missing"
    return "refused" if isinstance(error, APIStatusError) and not error.transient else "failed"
