"""One of many conversations that items are added to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.bulk.source import fields_of
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, ConfigurationError
from airflow_provider_yandex_conv.hooks.adding import ItemAdder
from airflow_provider_yandex_conv.hooks.unsupported import is_conversation, not_found_or_not_offered

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.bulk.threads import WindowClient


class Addition:
    """
    Adds items to a conversation, or what an earlier process left to add, and returns the ids of all.

    :param reconcile: whether a lost answer is made up for by reading the conversation.
    :param is_durable: whether it is kept how far the add has come.
    """

    def __init__(self, *, reconcile: bool, is_durable: bool) -> None:
        self.reconcile = reconcile
        self._is_durable = is_durable

    def __call__(self, client: WindowClient) -> list[str]:
        """
        Add them.

        :raises ConfigurationError: they cannot be added as they are; nothing was sent.
        :raises YandexAIStudioError: as of ``YandexAIStudioHook.add_items``.
        """
        spec = fields_of(client.job.spec, "an addition", "conversation_id", "items")
        conversation_id, items = spec.get("conversation_id"), spec.get("items")
        if not isinstance(conversation_id, str) or not isinstance(items, Sequence):
            raise ConfigurationError("an addition must have a conversation_id and a list of items")
        progress = JobProgress(client) if self._is_durable else None
        if progress is not None and progress.client_request_ids and not self.reconcile:
            raise AmbiguousOutcomeError(
                "add items: an earlier try ended before it could note an answer",
                client_request_ids=progress.client_request_ids,
            )
        with not_found_or_not_offered(partial(is_conversation, client, conversation_id)):
            stored = ItemAdder(client, conversation_id, reconcile=self.reconcile, progress=progress).add(items)
        return [item.id for item in stored] if progress is None else progress.item_ids


class JobProgress:
    """How far an add of a batch has come, in the journal of the batch: an ``AddProgress``."""

    def __init__(self, client: WindowClient) -> None:
        self._client = client
        earlier = client.job.earlier
        self.is_begun = isinstance(earlier, Mapping)
        known: Mapping[str, Any] = earlier if isinstance(earlier, Mapping) else {}
        self.knows_after = bool(known.get("knows_after"))
        self.after: str | None = known.get("after")
        self.item_ids: list[str] = list(known.get("item_ids", ()))
        self.client_request_ids: tuple[str, ...] = tuple(known.get("client_request_ids", ()))
        self.sent_at: float | None = known.get("sent_at")

    def begin(self, client_request_id: str) -> None:
        """Note an attempt before it is sent."""
        self.client_request_ids += (client_request_id,)
        self.sent_at = time.time()
        self._note()

    def refused(self, client_request_id: str) -> None:
        """Note that an attempt was certainly not applied."""
        self.client_request_ids = tuple(one for one in self.client_request_ids if one != client_request_id)
        self._note()

    def begin_after(self, item_id: str | None, *, is_known: bool) -> None:
        """Note the item that is last in the conversation, together with the next attempt."""
        self.after, self.knows_after = item_id, is_known

    def store(self, item_ids: Sequence[str]) -> None:
        """Note items that are stored."""
        self.item_ids += item_ids
        self.after, self.knows_after = self.item_ids[-1], True
        self.client_request_ids, self.sent_at = (), None
        self._note()

    def _note(self) -> None:
        self._client.note(
            {
                "knows_after": self.knows_after,
                "after": self.after,
                "item_ids": list(self.item_ids),
                "client_request_ids": list(self.client_request_ids),
                "sent_at": self.sent_at,
            }
        )
