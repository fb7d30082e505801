"""
Adding items to a conversation, each exactly once.

The vendor has no idempotency key, and adding twice stores twice. But what is in a conversation can be read: so after a
lost answer the items behind the one that was last before are compared with those that were sent, and only what is
missing is sent again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.limits import MAX_ITEMS_PER_CALL
from airflow_provider_yandex_conv.api.matching import stored_prefix
from airflow_provider_yandex_conv.api.wire import Safety
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    APIConnectionError,
    APIStatusError,
    InterruptedCallError,
    YandexAIStudioError,
)
from airflow_provider_yandex_conv.hooks.listing import iterate
from airflow_provider_yandex_conv.sending import AttemptJournal, Caller

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item

#: Seconds between looks at a conversation whose server may still be at work.
_LOOK_INTERVAL = 1.0
#: The answers of something in between that did not wait for the server: it may still be at work.
_NOT_WAITED_FOR = {408, 499, 504}


class AddProgress(AttemptJournal, Protocol):
    """How far the adding of a list has come, kept where a process that is killed cannot lose it."""

    @property
    def is_begun(self) -> bool:
        """Whether an earlier process began; what follows is only told where it did."""

    @property
    def knows_after(self) -> bool:
        """Whether :attr:`after` is known; it is not where the conversation was not to be read."""

    @property
    def after(self) -> str | None:
        """Id of the item that was last in the conversation before the last request; None where it was empty."""

    @property
    def item_ids(self) -> Sequence[str]:
        """Ids of the items that are stored, oldest first."""

    @property
    def client_request_ids(self) -> Sequence[str]:
        """``x-client-request-id`` of the requests behind those items whose outcome is unknown."""

    @property
    def sent_at(self) -> float | None:
        """Unix seconds, when the last of those requests began."""

    def begin_after(self, item_id: str | None, *, is_known: bool) -> None:
        """Note the item that is last in the conversation before the next request, or that it was not read."""

    def store(self, item_ids: Sequence[str]) -> None:
        """Note items that are stored, behind those before."""


class ItemAdder:
    """
    Adds one list of items to one conversation, in order, in as many requests as it takes.

    :param reconcile: whether a lost answer is made up for by reading the conversation.
    :param progress: goes on where an earlier process was stopped; None begins at the first item.
    """

    def __init__(
        self, client: Caller, conversation_id: str, *, reconcile: bool, progress: AddProgress | None = None
    ) -> None:
        self._client = client
        self._conversation_id = conversation_id
        self._reconcile = reconcile
        self._progress = progress
        self._stored: list[Item] = []
        #: Of the request under way: what is known to be stored of it, and the lost answer that leaves the rest open.
        self._found: list[Item] = []
        self._lost: AmbiguousOutcomeError | None = None

    def add(self, items: Sequence[Mapping[str, Any]]) -> list[Item]:
        """
        Add the items and return them as stored; where an earlier process stored some, those after them.

        :raises ConfigurationError: an item cannot be sent; nothing was.
        :raises AmbiguousOutcomeError: it cannot be told what was stored.
        :raises NotFoundError: there is no such conversation, also where an earlier process had stored all.
        :raises YandexAIStudioError: a request failed; ``stored_item_ids`` tells what was stored before.
        """
        api.create_all(self._conversation_id, items)  # all is checked before any of it is sent
        cut_before = self._client.cut_off
        try:
            if self._progress is not None and self._progress.is_begun:
                self._go_on(items, self._progress)
            elif items:
                self._begin(items)
        except YandexAIStudioError as error:
            error.stored_item_ids = self._stored_ids
            raise
        except BaseException as stop:
            self._tell_of_cut(stop, cut_before)
            raise
        return self._stored

    @property
    def _stored_ids(self) -> tuple[str, ...]:
        return tuple(item.id for item in [*self._stored, *self._found])

    def _begin(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Add items behind whatever is in the conversation now."""
        last_id = self._newest_id() if self._reconcile else None
        if self._progress is not None:
            self._progress.begin_after(last_id, is_known=self._reconcile)
        self._add_all(items, after=last_id)

    def _go_on(self, items: Sequence[Mapping[str, Any]], progress: AddProgress) -> None:
        """Add what an earlier process did not, once it is known what of its last request was stored."""
        rest = items[len(progress.item_ids) :]
        if not rest:
            self._newest_id()  # raises where the conversation is gone, and the items with it
            return
        if not progress.client_request_ids:
            self._begin(rest)  # others may have added something since
            return
        found = self._find_earlier(rest[:MAX_ITEMS_PER_CALL], progress)
        self._keep(found)
        self._add_all(rest[len(found) :], after=found[-1].id if found else progress.after)

    def _find_earlier(self, batch: Sequence[Mapping[str, Any]], progress: AddProgress) -> list[Item]:
        """Return what is stored of a request of an earlier process, of which no answer was noted."""
        lost = AmbiguousOutcomeError(
            "add items: an earlier process ended before it could note an answer",
            client_request_ids=tuple(progress.client_request_ids),
        )
        if not progress.knows_after:
            lost.message += ", and had not read what was in the conversation, so it cannot be told what was stored"
            lost.transient = False
            raise lost
        self._lost = lost
        patience = self._client.endpoint.timeout_connect + self._client.endpoint.timeout_read
        left = (progress.sent_at or 0.0) + patience - time.time()
        # Bounded, as the clock that noted it may be ahead of this one.
        found = self._find(batch, progress.after, lost, wait=min(left, patience))
        self._lost = None
        return found

    def _add_all(self, items: Sequence[Mapping[str, Any]], *, after: str | None) -> None:
        """Add any number of items behind the one with the id ``after``."""
        for start in range(0, len(items), MAX_ITEMS_PER_CALL):
            batch = self._add_batch(items[start : start + MAX_ITEMS_PER_CALL], after=after)
            after = batch[-1].id
            self._keep(batch)

    def _keep(self, items: list[Item]) -> None:
        self._stored += items
        self._found = []
        if self._progress is not None and items:
            self._progress.store([item.id for item in items])

    def _add_batch(self, batch: Sequence[Mapping[str, Any]], *, after: str | None) -> list[Item]:
        """Add at most 20 items behind the one with the id ``after``."""
        began = time.monotonic()
        attempt = 0
        while len(self._found) < len(batch):
            attempt += 1
            try:
                call = api.create(self._conversation_id, batch[len(self._found) :])
                return self._found + list(self._client.send(call, journal=self._progress).items)
            except AmbiguousOutcomeError as lost:
                if not self._reconcile:
                    raise
                self._lost = lost
                delay = self._delay(lost, attempt, began)
                self._announce(lost)
                self._client.pause(delay or 0.0)
                wait = self._client.endpoint.timeout_read if _may_be_at_work(lost.__cause__) else 0.0
                self._find(batch, after, lost, wait=wait)
                if delay is None and len(self._found) < len(batch):
                    raise
                self._lost = None
        return self._found

    def _delay(self, lost: AmbiguousOutcomeError, attempt: int, began: float) -> float | None:
        """Return the seconds to wait, as before any repeated request, or None where nothing more may be sent."""
        retry = self._client.retry
        delay = retry.delay(lost, Safety.REPEATABLE, attempt, random.random())
        if delay is None or time.monotonic() - began + delay > retry.timeout:
            lost.gave_up = retry.why_not(lost, Safety.REPEATABLE, attempt) or f"Gave up after {attempt} attempts"
            return None
        return delay

    def _announce(self, lost: AmbiguousOutcomeError) -> None:
        self._client.log.info(
            "add items: reading conversation %s to see what was stored, as an answer was lost (x-client-request-id %s)",
            self._conversation_id,
            lost.client_request_ids[-1],
        )

    def _find(
        self, batch: Sequence[Mapping[str, Any]], after: str | None, lost: AmbiguousOutcomeError, *, wait: float
    ) -> list[Item]:
        """
        Return those of the batch that are stored.

        :param wait: seconds in which a server may still come to store them.
        :raises AmbiguousOutcomeError: it cannot be told, as the conversation cannot be read, or for good as other items
            are there.
        """
        until = time.monotonic() + wait
        while True:
            self._found, foreign = stored_prefix(batch, self._items_after(after, lost))
            if len(self._found) == len(batch):
                return self._found
            if foreign:
                lost.message += (
                    f"; {len(foreign)} items appeared in the conversation that are not those that were sent, so it "
                    "cannot be told which of these were stored"
                )
                lost.transient = False
                raise lost
            left = until - time.monotonic()
            if left <= 0:
                return self._found
            self._client.pause(min(left, _LOOK_INTERVAL))

    def _tell_of_cut(self, stop: BaseException, before: YandexAIStudioError | None) -> None:
        """Warn of an add that was cut off from outside between or in its requests, and note what it had done."""
        cut: YandexAIStudioError | None = self._client.cut_off
        if cut is before:  # not in the middle of a request that adds
            cut = self._lost
            if cut is not None:
                cut.message += f"; and {type(stop).__name__} came before it was known what was stored"
            elif self._stored_ids:
                cut = InterruptedCallError(f"add items: {type(stop).__name__} came before all of them were sent")
                cut.connection_id = self._client.connection_id
                cut.advice = "Adding all of them again stores some twice"
        if cut is None:
            return
        cut.stored_item_ids = self._stored_ids
        self._client.log.warning("%s", cut)
        self._client.cut_off = cut

    def _newest_id(self) -> str | None:
        page = self._client.send(api.list_page(self._conversation_id, order="desc", limit=1))
        return page.items[0].id if page.items else None

    def _items_after(self, item_id: str | None, lost: AmbiguousOutcomeError) -> list[Item]:
        try:
            return list(iterate(self._client, self._conversation_id, after=item_id))
        except YandexAIStudioError as error:
            lost.message += f"; and the conversation could not be read to see what was stored ({error.message})"
            raise lost from error


def _may_be_at_work(cause: BaseException | None) -> bool:
    """Whether a server may do what was asked after its answer was lost."""
    if isinstance(cause, APIStatusError):
        return cause.status in _NOT_WAITED_FOR
    return isinstance(cause, APIConnectionError)
