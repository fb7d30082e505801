"""
The four endpoints of the items in a conversation.

Source: https://yandex.cloud/en/docs/ai-studio/conversations/. Some pages of the vendor mark reading and deleting a
single item as not supported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow_provider_yandex_conv.api.limits import MAX_ITEMS_PER_CALL, check_item_list, check_items
from airflow_provider_yandex_conv.api.models import Item, ItemDeleted, ItemPage
from airflow_provider_yandex_conv.api.wire import Call, Request, Response, Safety, encode_id
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InvalidResponseError

#: The most items of one page, a limit of the vendor.
MAX_PAGE_SIZE = 100

Order = Literal["asc", "desc"]


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
            raise InvalidResponseError(
                f"HTTP {response.status}: the answer lists {len(page.items)} of {len(items)} items",
                request_id=response.request_id,
                server_trace_id=response.server_trace_id,
            )
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
    if order not in {"asc", "desc"}:
        raise ConfigurationError(f"order must be 'asc' or 'desc', got {order!r}")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE_SIZE:
        raise ConfigurationError(f"the size of a page must be from 1 to {MAX_PAGE_SIZE}, got {limit!r}")
    query = {"order": order, "limit": str(limit)}
    return Call(
        name="list items",
        request=Request("GET", _path(conversation_id), query=query if after is None else {**query, "after": after}),
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
