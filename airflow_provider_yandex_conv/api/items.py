"""
The four endpoints of the items in a conversation.

Source: https://yandex.cloud/en/docs/ai-studio/conversations/. Some pages of the vendor mark reading and deleting a
single item as not supported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_yandex_conv.api.decode import invalid_response
from airflow_provider_yandex_conv.api.limits import MAX_ITEMS_PER_CALL, check_item_list, check_items
from airflow_provider_yandex_conv.api.models import Item, ItemDeleted, ItemPage
from airflow_provider_yandex_conv.api.paging import MAX_PAGE_SIZE, Order, page_query
from airflow_provider_yandex_conv.api.wire import Call, Request, Response, Safety, encode_id


def create(conversation_id: str, items: Sequence[Mapping[str, Any]], *, first: int = 0) -> Call[ItemPage]:
    """
    ``POST /conversations/{conversation_id}/items`` with ``{"items": [object]}``.

    It stores the items a second time when it is repeated. An answer that lists fewer items than were sent breaks the
    contract: what became of the others is unknown.

    :param items: at most 20 objects.
    :param first: the place of the first of them in the author's list, for messages.
    :raises ConfigurationError: the id is empty or a limit is broken.
    """
    check_items(items, first=first)

    def parse(response: Response) -> ItemPage:
        page = ItemPage.from_response(response)
        if len(page.items) < len(items):
            raise invalid_response(response, f"the answer lists {len(page.items)} of {len(items)} items")
        return page

    return Call(
        name="add items",
        request=Request("POST", _path(conversation_id), {"items": list(items)}),
        parse=parse,
        safety=Safety.CREATES,
    )


def create_all(conversation_id: str, items: Sequence[Mapping[str, Any]]) -> list[Call[ItemPage]]:
    """
    Return the calls that add a list of items of any length, at most 20 in each, in order.

    :raises ConfigurationError: the id is empty, or one of the items cannot be sent.
    """
    check_item_list(items)
    starts = range(0, len(items), MAX_ITEMS_PER_CALL)
    return [create(conversation_id, items[start : start + MAX_ITEMS_PER_CALL], first=start) for start in starts]


def list_page(
    conversation_id: str, *, order: Order = "asc", after: str | None = None, limit: int = MAX_PAGE_SIZE
) -> Call[ItemPage]:
    """
    ``GET /conversations/{conversation_id}/items?order=&after=&limit=``.

    :param order: ``asc`` for oldest first; the vendor's own default is ``desc``.
    :param after: id of the item after which the page begins, in that order.
    :param limit: 1 to 100.
    :raises ConfigurationError: the id is empty, or an argument is out of its range.
    """
    return Call(
        name="list items",
        request=Request("GET", _path(conversation_id), query=page_query(order=order, after=after, limit=limit)),
        parse=ItemPage.from_response,
        safety=Safety.REPEATABLE,
    )


def get(conversation_id: str, item_id: str) -> Call[Item]:
    """
    ``GET /conversations/{conversation_id}/items/{item_id}``.

    :raises ConfigurationError: an id is empty.
    """
    return Call(
        name="get item",
        request=Request("GET", _path(conversation_id, item_id)),
        parse=Item.from_response,
        safety=Safety.REPEATABLE,
    )


def delete(conversation_id: str, item_id: str) -> Call[ItemDeleted]:
    """
    ``DELETE /conversations/{conversation_id}/items/{item_id}``, which is answered with the conversation.

    :raises ConfigurationError: an id is empty.
    """
    return Call(
        name="delete item",
        request=Request("DELETE", _path(conversation_id, item_id)),
        parse=ItemDeleted.from_response,
        safety=Safety.REPEATABLE,
        if_gone=ItemDeleted(),
    )


def _path(conversation_id: str, item_id: str | None = None) -> str:
    path = f"conversations/{encode_id('conversation_id', conversation_id)}/items"
    return path if item_id is None else f"{path}/{encode_id('item_id', item_id)}"
