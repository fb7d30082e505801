"""What the emulator stores, and the rules of the vendor. Knows nothing of HTTP but the status of a refusal."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE, _MAX_ITEMS = 16, 64, 512, 20
_ROLES = {"user", "assistant", "system", "developer"}


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
        items = _new_items(body.get("items") or [], self._item_by_id)
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
            added = _new_items(items, self._item_by_id)
            conversation.items.extend(added)
            return added

    def list_items(
        self, conversation_id: str, *, limit: int, order: str, after: str | None
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return a page of items and whether more follow."""
        with self._lock:
            items = list(self.conversation(conversation_id).items)
        if order == "desc":
            items.reverse()
        if after is not None:
            ids = [item["id"] for item in items]
            if after not in ids:
                raise APIError(400, f"Item with id '{after}' not found in the conversation.", code="invalid_value")
            items = items[ids.index(after) + 1 :]
        return items[:limit], len(items) > limit

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

    def _item_by_id(self, item_id: str) -> dict[str, Any]:
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


def _new_items(items: Any, find: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    if not isinstance(items, list):
        raise APIError(400, "Invalid type for 'items': expected an array.", code="invalid_type")
    if len(items) > _MAX_ITEMS:
        raise APIError(400, f"Invalid 'items': array too long, at most {_MAX_ITEMS}.", code="array_above_max_length")
    return [_new_item(place, item, find) for place, item in enumerate(items)]


def _new_item(place: int, item: Any, find: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return an item as it is stored: with an id and status, and a message's text as a list of parts."""
    if not isinstance(item, dict):
        raise APIError(400, f"Invalid type for 'items[{place}]': expected an object.", code="invalid_type")
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str):
        raise APIError(400, f"Missing required parameter: 'items[{place}].type'.", code="missing_required_parameter")
    if kind == "item_reference":
        return {**find(str(item.get("id"))), "id": _item_id("ref")}
    if kind != "message":
        return {**item, "id": item.get("id") or _item_id(kind), "status": item.get("status", "completed")}
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise APIError(400, f"Invalid value for 'items[{place}].role': {role!r}.", code="invalid_value")
    return {
        "id": _item_id("msg"),
        "type": "message",
        "status": "completed",
        "role": role,
        "content": _parts(place, role, item.get("content")),
    }


def _parts(place: int, role: str, content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
        raise APIError(400, f"Invalid type for 'items[{place}].content'.", code="invalid_type")
    return [
        {"annotations": [], "logprobs": [], **part} if part["type"] == "output_text" else dict(part) for part in content
    ]


def _item_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"
