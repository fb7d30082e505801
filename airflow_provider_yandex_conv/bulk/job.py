"""One thing of a batch to be done, by whom, and what those who take part ask of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from airflow_provider_yandex_conv.bulk.window import Trial, Window
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, YandexAIStudioError

T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True, eq=False)
class Job:
    """
    One thing to be done.

    :param index: its place in the input, from 0.
    :param spec: what it is.
    :param client_request_id: what its request carries.
    :param earlier: what an earlier process had noted of it, and not of its result.
    :param trial: how it has fared.
    """

    index: int
    spec: Any
    client_request_id: str
    earlier: Any = None
    trial: Trial = field(default_factory=Trial)


class Desk(Protocol):
    """What is asked of a batch by who does one of its things, in the event loop."""

    async def ask_again(self, job: Job, lost: AmbiguousOutcomeError) -> None:
        """Wait until a job may be sent again after an attempt of unknown outcome; it has a new name then."""

    async def note(self, job: Job, state: Any) -> None:
        """Wait until what a later process must know of a job is kept."""


class Work(Protocol[T_co]):
    """How to do one thing."""

    #: Whether it notes itself what a later process must know, before it sends anything that leaves something behind.
    notes_itself: bool

    async def __call__(self, window: Window, job: Job, desk: Desk) -> T_co:
        """
        Do it, in the event loop.

        :raises YandexAIStudioError: it was not done, or nobody can tell.
        """

    def close(self) -> None:
        """Free what it holds, when all is done."""


class BatchJournal(Protocol):
    """Where a batch is kept so that a later process knows of it after this one died."""

    chunk_size: int

    def open(self, first: int, specs: Sequence[Any]) -> tuple[Mapping[int, Any], Mapping[int, Any]]:
        """
        Return what earlier processes did of a part of the input: results by their index, and what was begun.

        :param first: the index of the first of ``specs``.
        :raises YandexAIStudioError: it cannot be told.
        """

    def later(self, first: int) -> Iterator[Sequence[Any]]:
        """
        Give the results of earlier tries for what was not opened, in order.

        :param first: the index of the first of them.
        :raises YandexAIStudioError: they cannot be told.
        """

    def put_aside_rest(self, count: int) -> None:
        """
        Say what earlier tries did that is not in the input any more.

        :param count: how many things there are.
        :raises YandexAIStudioError: it cannot be told.
        """

    def begin(self, index: int, state: Any) -> None:
        """Note what may be sent once :meth:`commit` has returned: its ``client_request_id``, or what is to be known."""

    def settle(self, index: int, result: Any) -> None:
        """Note a result, or with None that the last attempt was certainly not applied."""

    def commit(self) -> None:
        """
        Keep all that was noted.

        :raises YandexAIStudioError: it cannot be kept. Nothing more is to be sent.
        """


@dataclass(slots=True)
class Settled:
    """What the loop hands over: a result or an error; a lost attempt, or a note, whose job waits to go on."""

    job: Job
    result: Any = None
    error: YandexAIStudioError | None = None
    note: Any = None
    going_on: asyncio.Future[None] | None = None
