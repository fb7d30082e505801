"""The methods of the hook for conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.hooks.base import ConnectedHook
from airflow_provider_yandex_conv.hooks.unsupported import (
    delete_conversation,
    is_conversation,
    not_found_or_not_offered,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation
    from airflow_provider_yandex_conv.sending import AttemptJournal, LostAttemptCallback


class ConversationMethods(ConnectedHook):
    """Creates, reads, updates and deletes conversations."""

    def create_conversation(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        items: Sequence[Mapping[str, Any]] | None = None,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
    ) -> Conversation:
        """
        Create a conversation.

        ``POST /conversations`` -> ``{"id": str, "object": "conversation", "metadata": {str: str} | null,
        "created_at": <Unix seconds>}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversation

        :param metadata: up to 16 pairs, keys of at most 64 and values of at most 512 characters.
        :param items: at most 20 objects, such as ``{"role": "user", "content": "Hello"}``.
        :param on_lost: allows another attempt after one whose outcome is unknown, which may leave a conversation
            behind, and is told of each such attempt.
        :param journal: told of each attempt before it is sent, and of each that was certainly not applied.
        :raises ConfigurationError: a limit is broken, or the connection cannot be used. Nothing was sent.
        :raises AmbiguousOutcomeError: the answer was lost; the conversation may exist.
        :raises YandexAIStudioError: the request failed; nothing was created.
        """
        call = conversations.create(metadata=metadata, items=items)
        return self.get_conn().send(call, on_lost=on_lost, journal=journal)

    def get_conversation(self, conversation_id: str) -> Conversation:
        """
        Read a conversation.

        ``GET /conversations/{conversation_id}`` -> as :meth:`create_conversation`.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/getConversation

        :raises NotFoundError: there is none of that id.
        :raises YandexAIStudioError: the request failed.
        """
        return self.get_conn().send(conversations.get(conversation_id))

    def update_conversation(self, conversation_id: str, *, metadata: Mapping[str, str]) -> Conversation:
        """
        Replace all metadata of a conversation.

        ``POST /conversations/{conversation_id}`` -> as :meth:`create_conversation`. It is repeated after a lost answer,
        as that changes nothing.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/updateConversation

        :param metadata: up to 16 pairs, keys of at most 64 and values of at most 512 characters.
        :raises ConfigurationError: a limit is broken. Nothing was sent.
        :raises NotFoundError: there is none of that id.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        with not_found_or_not_offered(partial(is_conversation, self.get_conn(), conversation_id)):
            return self.get_conn().send(conversations.update(conversation_id, metadata=metadata))

    def delete_conversation(self, conversation_id: str, *, ignore_missing: bool = False) -> bool:
        """
        Delete a conversation. The vendor keeps its items.

        ``DELETE /conversations/{conversation_id}`` -> ``{"id": str, "object": "conversation.deleted",
        "deleted": true}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/deleteConversation

        :param ignore_missing: whether a conversation that is not there is no error.
        :return: True if it was deleted, False if it was not there.
        :raises NotFoundError: there is none of that id, and it was not an earlier attempt of this call that removed it.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        return delete_conversation(self.get_conn(), conversation_id, ignore_missing=ignore_missing)
