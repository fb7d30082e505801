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
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.limits import MAX_ITEMS_PER_CALL, check_item_list
from airflow_provider_yandex_conv.api.matching import stored_prefix
from airflow_provider_yandex_conv.api.wire import Safety
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, APITimeoutError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks.listing import iterate

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item
    from airflow_provider_yandex_conv.client import Client

#: Seconds between looks at a conversation whose server was too slow to answer.
_LOOK_INTERVAL = 1.0


class ItemAdder:
    """
    Adds items to one conversation, in order, in as many requests as it takes.

    :param reconcile: whether a lost answer is made up for by reading the conversation.
    """

    def __init__(self, client: Client, conversation_id: str, *, reconcile: bool) -> None:
        self._client = client
        self._conversation_id = conversation_id
        self._reconcile = reconcile

    def add(self, items: Sequence[Mapping[str, Any]]) -> list[Item]:
        """
        Add the items and return them as stored.

        :raises ConfigurationError: an item cannot be sent; nothing was.
        :raises AmbiguousOutcomeError: it cannot be told what was stored.
        :raises YandexAIStudioError: a request failed; ``stored_item_ids`` tells what was stored before.
        """
        check_item_list(items)
        starts = range(0, len(items), MAX_ITEMS_PER_CALL)
        batches = [list(items[start : start + MAX_ITEMS_PER_CALL]) for start in starts]
        for start, batch in zip(starts, batches, strict=True):  # all is checked before any of it is sent
            api.create(self._conversation_id, batch, first=start)
        stored: list[Item] = []
        last_id = self._newest_id() if self._reconcile and batches else None
        for batch in batches:
            try:
                stored += self._add_batch(batch, after=last_id)
            except YandexAIStudioError as error:
                error.stored_item_ids = (*(item.id for item in stored), *error.stored_item_ids)
                raise
            last_id = stored[-1].id
        return stored

    def _add_batch(self, batch: Sequence[Mapping[str, Any]], *, after: str | None) -> list[Item]:
        """Add at most 20 items behind the one with the id ``after``."""
        found: list[Item] = []
        began = time.monotonic()
        attempt = 0
        try:
            while len(found) < len(batch):
                attempt += 1
                try:
                    page = self._client.send(api.create(self._conversation_id, batch[len(found) :]))
                    return found + list(page.items)
                except AmbiguousOutcomeError as lost:
                    self._wait(lost, attempt, began)
                    found = self._find(batch, after, lost)
        except YandexAIStudioError as error:
            error.stored_item_ids = error.stored_item_ids or tuple(item.id for item in found)
            raise
        return found

    def _wait(self, lost: AmbiguousOutcomeError, attempt: int, began: float) -> None:
        """Wait as before any repeated request, or raise ``lost`` where nothing more may be tried."""
        if not self._reconcile:
            raise lost
        retry = self._client.retry
        delay = retry.delay(lost, Safety.REPEATABLE, attempt, random.random())
        if delay is None or time.monotonic() - began + delay > retry.timeout:
            lost.gave_up = retry.why_not(lost, Safety.REPEATABLE, attempt) or f"Gave up after {attempt} attempts"
            raise lost
        self._client.log.info(
            "add items: reading conversation %s to see what was stored, as an answer was lost (x-client-request-id %s)",
            self._conversation_id,
            lost.client_request_ids[-1],
        )
        self._client.pause(delay)

    def _find(self, batch: Sequence[Mapping[str, Any]], after: str | None, lost: AmbiguousOutcomeError) -> list[Item]:
        """
        Return those of the batch that are stored.

        A server that was too slow to answer may still be at work: it is given as long again.

        :raises AmbiguousOutcomeError: it cannot be told, as the conversation cannot be read or other items are there.
        """
        slow = isinstance(lost.__cause__, APITimeoutError)
        until = time.monotonic() + (self._client.endpoint.timeout_read if slow else 0.0)
        while True:
            found, foreign = stored_prefix(batch, self._items_after(after, lost))
            if len(found) == len(batch):
                return found
            if foreign:
                lost.message += (
                    f"; {len(foreign)} items appeared in the conversation that are not those that were sent, so it "
                    "cannot be told which of these were stored"
                )
                lost.stored_item_ids = tuple(item.id for item in found)
                raise lost
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            self._client.pause(min(left, _LOOK_INTERVAL))

    def _newest_id(self) -> str | None:
        page = self._client.send(api.list_page(self._conversation_id, order="desc", limit=1))
        return page.items[0].id if page.items else None

    def _items_after(self, item_id: str | None, lost: AmbiguousOutcomeError) -> list[Item]:
        try:
            return list(iterate(self._client, self._conversation_id, after=item_id))
        except YandexAIStudioError as error:
            lost.message += f"; and the conversation could not be read to see what was stored ({error.message})"
            raise lost from error
