"""What the API returns, as frozen values. Keys that are not known here stay readable in ``raw``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.api.decode import decode_object, invalid_response, required_id
from airflow_provider_yandex_conv.api.wire import Response


@dataclass(frozen=True, slots=True)
class Conversation:
    """
    A server-side thread of items.

    :param id: opaque.
    :param object: ``conversation``.
    :param metadata: empty where the server sent null or nothing.
    :param created_at: Unix seconds; None where the server did not say.
    :param request_id: the server's ``x-request-id``, or its ``x-server-trace-id`` where it sent only that.
    :param raw: the answer as decoded.
    """

    id: str
    object: str
    metadata: Mapping[str, str]
    created_at: int | None
    request_id: str | None = field(default=None, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> Conversation:
        """
        Read a conversation from an answer.

        :raises InvalidResponseError: a success without an id. Anything else may be missing: losing the id of a
            conversation that exists, over a field nobody needs, would leave it behind.
        :raises APIStatusError: the answer is not a success.
        """
        raw = decode_object(response)
        metadata = raw.get("metadata")
        created_at = raw.get("created_at")
        return cls(
            id=required_id(raw, response),
            object=str(raw.get("object") or "conversation"),
            metadata=metadata if isinstance(metadata, dict) else {},
            created_at=created_at if isinstance(created_at, int) else None,
            request_id=response.request_id or response.server_trace_id,
            raw=raw,
        )

    def as_dict(self) -> dict[str, Any]:
        """``{"id": str, "object": str, "metadata": {str: str}, "created_at": int | None}``, fit for XCom."""
        return {
            "id": self.id,
            "object": self.object,
            "metadata": dict(self.metadata),
            "created_at": self.created_at,
        }


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """
    The vendor's answer to a delete: ``{"id": str, "object": "conversation.deleted", "deleted": bool}``.

    :param deleted: whether this call, or an earlier attempt of it, removed the conversation.
    """

    id: str
    deleted: bool
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> ConversationDeleted:
        """
        Read the answer to a delete.

        :raises InvalidResponseError: a success that does not say ``"deleted": true``.
        :raises APIStatusError: the answer is not a success.
        """
        raw = decode_object(response)
        if raw.get("deleted") is not True:
            raise invalid_response(response, "the answer does not say that the conversation was deleted")
        return cls(id=required_id(raw, response), deleted=True, raw=raw)


@dataclass(frozen=True, slots=True)
class Item:
    """
    Something in a conversation: a message, a tool call, its output, or a type that the vendor adds tomorrow.

    :param id: opaque.
    :param type: ``message``, ``function_call_output``, ...
    :param raw: the item as the server sent it; what it holds depends on its type.
    """

    id: str
    type: str
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> Item:
        """Read an item; the caller has checked that it is an object with an id."""
        return cls(id=str(raw["id"]), type=str(raw.get("type") or "message"), raw=raw)

    @classmethod
    def from_response(cls, response: Response) -> Item:
        """
        Read an item from an answer.

        :raises InvalidResponseError: a success without an id.
        :raises APIStatusError: the answer is not a success.
        """
        raw = decode_object(response)
        required_id(raw, response)
        return cls.from_wire(raw)

    @property
    def role(self) -> str | None:
        """Who speaks, for a message: ``user``, ``assistant``, ``system``, ``developer``, ..."""
        role = self.raw.get("role")
        return role if isinstance(role, str) else None

    @property
    def text(self) -> str:
        """All text of a message, its parts joined; empty for items without any."""
        content = self.raw.get("content")
        if isinstance(content, str):
            return content
        parts = content if isinstance(content, list) else []
        return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


@dataclass(frozen=True, slots=True)
class ItemPage:
    """
    Some items of a conversation: ``{"object": "list", "data": [...], "has_more", "first_id", "last_id"}``.

    :param has_more: whether more follow after ``last_id``.
    :param last_id: id of the last item; empty where there is none.
    """

    items: tuple[Item, ...]
    has_more: bool
    last_id: str

    @classmethod
    def from_response(cls, response: Response) -> ItemPage:
        """
        Read a page.

        :raises InvalidResponseError: a success whose ``data`` is not a list of objects with ids.
        :raises APIStatusError: the answer is not a success.
        """
        raw = decode_object(response)
        data = raw.get("data")
        if not isinstance(data, list) or not all(isinstance(one, dict) and one.get("id") for one in data):
            raise invalid_response(response, "the answer is no list of items")
        return cls(
            items=tuple(Item.from_wire(one) for one in data),
            has_more=raw.get("has_more") is True,
            last_id=str(raw.get("last_id") or ""),
        )


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """
    The answer to the delete of an item, which is the conversation it was in.

    :param conversation: None where an earlier attempt of the call, whose answer was lost, removed the item.
    """

    conversation: Conversation | None = None

    @classmethod
    def from_response(cls, response: Response) -> ItemDeleted:
        """
        Read the answer.

        :raises InvalidResponseError: a success without the id of the conversation.
        :raises APIStatusError: the answer is not a success.
        """
        return cls(Conversation.from_response(response))
