"""What the API returns, as frozen values. Keys that are not known here stay readable in ``raw``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.api.decode import decode_object
from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.exceptions import InvalidResponseError


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
            id=_required_id(raw, response),
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
            raise InvalidResponseError(
                f"HTTP {response.status}: the answer does not say that the conversation was deleted",
                request_id=response.request_id,
                server_trace_id=response.server_trace_id,
            )
        return cls(id=_required_id(raw, response), deleted=True, raw=raw)


def _required_id(raw: Mapping[str, Any], response: Response) -> str:
    value = raw.get("id")
    if isinstance(value, str) and value:
        return value
    raise InvalidResponseError(
        f"HTTP {response.status}: the answer has no id",
        request_id=response.request_id,
        server_trace_id=response.server_trace_id,
    )
