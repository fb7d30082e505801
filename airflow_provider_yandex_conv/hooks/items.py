"""The methods of the hook for the items in a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.hooks.adding import AddProgress, ItemAdder
from airflow_provider_yandex_conv.hooks.base import ConnectedHook
from airflow_provider_yandex_conv.hooks.listing import iterate
from airflow_provider_yandex_conv.hooks.unsupported import delete, is_conversation, is_item, not_found_or_not_offered

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item


class ItemMethods(ConnectedHook):
    """Adds, lists, reads and deletes items."""

    def add_items(
        self,
        conversation_id: str,
        items: Sequence[Mapping[str, Any]],
        *,
        on_ambiguous: Literal["reconcile", "fail"] = "reconcile",
        progress: AddProgress | None = None,
    ) -> list[Item]:
        """
        Add items to the end of a conversation, in order; more than 20 in several requests.

        ``POST /conversations/{conversation_id}/items`` -> ``{"object": "list", "data": [item], "has_more": bool,
        "first_id": str, "last_id": str}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversationItems

        :param items: objects such as ``{"role": "user", "content": "Hello"}``, of any type that the vendor knows.
        :param on_ambiguous: ``reconcile`` reads the conversation after a lost answer and sends only what is missing; it
            also reads the newest item before the first request, so that equal items from before are not mistaken for
            new ones. ``fail`` raises.
        :param progress: where it is kept how far the add has come; an add that an earlier process began goes on there.
        :return: all the items as stored; where an earlier process stored some, those after them.
        :raises ConfigurationError: an item cannot be sent. Nothing was.
        :raises NotFoundError: there is no such conversation.
        :raises AmbiguousOutcomeError: what was stored cannot be told.
        :raises YandexAIStudioError: a request failed; ``stored_item_ids`` tells what was stored before.
        """
        check_choice("on_ambiguous", on_ambiguous, "reconcile", "fail")
        with not_found_or_not_offered(partial(is_conversation, self.get_conn(), conversation_id)):
            adder = ItemAdder(
                self.get_conn(), conversation_id, reconcile=on_ambiguous == "reconcile", progress=progress
            )
            return adder.add(items)

    def list_items(
        self,
        conversation_id: str,
        *,
        order: Literal["asc", "desc"] = "asc",
        after: str | None = None,
        page_size: int = 100,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """
        Return an iterator over the items of a conversation, which reads a page when it needs one.

        ``GET /conversations/{conversation_id}/items`` -> as :meth:`add_items`, for each page.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/listConversationItems

        :param order: ``asc`` for oldest first, ``desc`` for newest first.
        :param after: id of the item after which to begin, in that order.
        :param page_size: how many items one request asks for, 1 to 100.
        :param limit: how many items at most; None for all.
        :raises ConfigurationError: an argument is out of its range. Nothing was sent.
        :raises NotFoundError: there is no such conversation; while iterating.
        :raises YandexAIStudioError: a request failed; while iterating.
        """
        return iterate(self.get_conn(), conversation_id, order=order, after=after, page_size=page_size, limit=limit)

    def get_item(self, conversation_id: str, item_id: str) -> Item:
        """
        Read an item.

        ``GET /conversations/{conversation_id}/items/{item_id}`` -> the item.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/getConversationItem

        :raises NotFoundError: there is no such item or conversation.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        with not_found_or_not_offered(partial(is_item, self.get_conn(), conversation_id, item_id)):
            return self.get_conn().send(api.get(conversation_id, item_id))

    def delete_item(self, conversation_id: str, item_id: str, *, ignore_missing: bool = False) -> bool:
        """
        Remove an item from a conversation.

        ``DELETE /conversations/{conversation_id}/items/{item_id}`` -> the conversation.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/deleteConversationItem

        :param ignore_missing: whether an item that is not there is no error.
        :return: True if it was deleted, False if it was not there.
        :raises NotFoundError: there is no such item or conversation.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        return delete(
            self.get_conn(),
            f"Item {item_id}",
            api.delete(conversation_id, item_id),
            partial(is_item, self.get_conn(), conversation_id, item_id),
            ignore_missing=ignore_missing,
        )
