"""What the emulator stores, and the rules of the vendor. Knows nothing of HTTP but the status of a refusal."""

from __future__ import annotations

import threading
import time
import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError
from airflow_provider_yandex_conv.emulator.new_items import new_items
from airflow_provider_yandex_conv.emulator.paging import PageQuery, page_of

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE, _MAX_ITEMS = 16, 64, 512, 20


@dataclass
class Conversation:
    """A conversation and the items that were added to it, oldest first."""

    id: str
    created_at: int
    metadata: dict[str, str] | None
    items: list[dict[str, Any]] = field(default_factory=list)

    def wire(self) -> dict[str, Any]:
        """As the API answers."""
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": deepcopy(self.metadata),
        }


class State:
    """
    All conversations, by id. May be used by several threads.

    A deleted conversation goes to ``deleted`` with its items, which the vendor keeps as well.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.conversations: dict[str, Conversation] = {}
        self.deleted: dict[str, Conversation] = {}

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self.conversations.clear()
            self.deleted.clear()

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return ``{"conversations": [...], "deleted": [...]}``, each conversation with its ``items``."""
        with self._lock:
            return {
                name: [{**one.wire(), "items": deepcopy(one.items)} for one in store.values()]
                for name, store in (("conversations", self.conversations), ("deleted", self.deleted))
            }

    def create_conversation(self, body: dict[str, Any]) -> Conversation:
        """Store a new conversation."""
        metadata = _metadata(body)
        items = new_items(body.get("items") or [], self.item_by_id, most=_MAX_ITEMS)
        with self._lock:
            conversation = Conversation(f"conv_{uuid.uuid4().hex}", int(time.time()), metadata, items)
            self.conversations[conversation.id] = conversation
            return conversation

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a conversation, or refuse with 404."""
        with self._lock:
            if conversation_id not in self.conversations:
                raise APIError(
                    404, f"Conversation with id '{conversation_id}' not found.", shape="flat", code="not_found"
                )
            return self.conversations[conversation_id]

    def update_conversation(self, conversation_id: str, body: dict[str, Any]) -> Conversation:
        """Replace the metadata of a conversation."""
        with self._lock:
            conversation = self.conversation(conversation_id)
            if "metadata" not in body:
                raise APIError(400, "Missing required parameter: 'metadata'.", code="missing_required_parameter")
            conversation.metadata = _metadata(body)
            return conversation

    def delete_conversation(self, conversation_id: str) -> dict[str, Any]:
        """Delete a conversation; its items stay, with it, in ``deleted``."""
        with self._lock:
            self.deleted[conversation_id] = self.conversation(conversation_id)
            del self.conversations[conversation_id]
            return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}

    def add_items(self, conversation_id: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Append items and return those that were stored."""
        items = body.get("items")
        if not isinstance(items, list):
            raise APIError(400, "Missing required parameter: 'items'.", code="missing_required_parameter")
        with self._lock:
            conversation = self.conversation(conversation_id)
            added = new_items(items, self.item_by_id, most=_MAX_ITEMS)
            conversation.items.extend(added)
            return added

    def append_items(self, conversation_id: str, items: list[dict[str, Any]]) -> None:
        """Append items that have their ids; do nothing where the conversation is gone."""
        with self._lock:
            if conversation_id in self.conversations:
                self.conversations[conversation_id].items.extend(deepcopy(items))

    def list_items(self, conversation_id: str, query: PageQuery) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of items and whether more follow."""
        with self._lock:
            return page_of(self.conversation(conversation_id).items, query, "the conversation")

    def item(self, conversation_id: str, item_id: str) -> dict[str, Any]:
        """Return an item, or refuse with 404."""
        for item in self.conversation(conversation_id).items:
            if item["id"] == item_id:
                return item
        raise APIError(404, f"Item with id '{item_id}' not found.", shape="flat", code="not_found")

    def delete_item(self, conversation_id: str, item_id: str) -> Conversation:
        """Remove an item and return the conversation it was in."""
        with self._lock:
            conversation = self.conversation(conversation_id)
            conversation.items.remove(self.item(conversation_id, item_id))
            return conversation

    def item_by_id(self, item_id: str) -> dict[str, Any]:
        """Return a copy of an item of any conversation, or refuse with 404."""
        with self._lock:
            for conversation in (*self.conversations.values(), *self.deleted.values()):
                for item in conversation.items:
                    if item["id"] == item_id:
                        return deepcopy(item)
        raise APIError(404, f"Item with id '{item_id}' not found.", shape="flat", code="not_found")


def _metadata(body: dict[str, Any]) -> dict[str, str] | None:
    metadata = body.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise APIError(400, "Invalid type for 'metadata': expected an object.", code="invalid_type")
    if len(metadata) > _MAX_PAIRS:
        raise APIError(
            400, f"Invalid 'metadata': too many properties, at most {_MAX_PAIRS}.", code="object_above_max_properties"
        )
    for key, value in metadata.items():
        if len(key) > _MAX_KEY:
            raise APIError(400, f"Invalid 'metadata': a key is longer than {_MAX_KEY}.", code="string_above_max_length")
        if not isinstance(value, str):
            raise APIError(400, f"Invalid type for 'metadata.{key}': expected a string.", code="invalid_type")
        if len(value) > _MAX_VALUE:
            raise APIError(400, f"Invalid 'metadata.{key}': longer than {_MAX_VALUE}.", code="string_above_max_length")
    return dict(metadata)
