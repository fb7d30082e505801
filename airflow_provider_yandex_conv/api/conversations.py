"""
The four endpoints of a conversation itself.

Source: https://yandex.cloud/en/docs/ai-studio/conversations/. Some pages of the vendor mark update and delete as not
supported, others do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_yandex_conv.api.limits import check_items, check_metadata
from airflow_provider_yandex_conv.api.models import Conversation, ConversationDeleted
from airflow_provider_yandex_conv.api.wire import Call, Request, Safety, encode_id


def create(
    *, metadata: Mapping[str, str] | None = None, items: Sequence[Mapping[str, Any]] | None = None
) -> Call[Conversation]:
    """
    ``POST /conversations`` with ``{"metadata"?: {str: str}, "items"?: [object]}``.

    The vendor documents that it ignores idempotency keys, so the call creates a second conversation when repeated.
    Source: https://yandex.cloud/en/docs/api-design-guide/concepts/idempotency.

    :param metadata: up to 16 pairs, keys of at most 64 and values of at most 512 characters.
    :param items: at most 20 objects.
    :raises ConfigurationError: a limit is broken.
    """
    body: dict[str, Any] = {}
    if metadata is not None:
        check_metadata(metadata)
        body["metadata"] = dict(metadata)
    if items is not None:
        check_items(items)
        body["items"] = list(items)
    return Call(
        name="create conversation",
        request=Request("POST", "conversations", body),
        parse=Conversation.from_response,
        safety=Safety.CREATES,
    )


def get(conversation_id: str) -> Call[Conversation]:
    """
    ``GET /conversations/{conversation_id}``.

    :raises ConfigurationError: the id is empty.
    """
    return Call(
        name="get conversation",
        request=Request("GET", _path(conversation_id)),
        parse=Conversation.from_response,
        safety=Safety.REPEATABLE,
    )


def update(conversation_id: str, *, metadata: Mapping[str, str]) -> Call[Conversation]:
    """
    ``POST /conversations/{conversation_id}`` with ``{"metadata": {str: str}}``, which replaces all metadata.

    A ``POST`` that may be repeated: the metadata afterwards is the same.

    :raises ConfigurationError: the id is empty or a limit is broken.
    """
    check_metadata(metadata)
    return Call(
        name="update conversation",
        request=Request("POST", _path(conversation_id), {"metadata": dict(metadata)}),
        parse=Conversation.from_response,
        safety=Safety.REPEATABLE,
    )


def delete(conversation_id: str) -> Call[ConversationDeleted]:
    """
    ``DELETE /conversations/{conversation_id}``. The vendor keeps the items of a deleted conversation.

    :raises ConfigurationError: the id is empty.
    """
    return Call(
        name="delete conversation",
        request=Request("DELETE", _path(conversation_id)),
        parse=ConversationDeleted.from_response,
        safety=Safety.REPEATABLE,
        if_gone=ConversationDeleted(id=conversation_id, deleted=True),
    )


def _path(conversation_id: str) -> str:
    return f"conversations/{encode_id('conversation_id', conversation_id)}"
