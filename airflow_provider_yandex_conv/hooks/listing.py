"""Reading the items of a conversation page by page, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.paging import MAX_PAGE_SIZE, Order

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item
    from airflow_provider_yandex_conv.client import Client


def iterate(
    client: Client,
    conversation_id: str,
    *,
    order: Order = "asc",
    after: str | None = None,
    page_size: int = MAX_PAGE_SIZE,
    limit: int | None = None,
) -> Iterator[Item]:
    """
    Return an iterator over the items, which reads a page when it needs one.

    It ends with the page that says so, at an empty page, and where ``last_id`` is empty or was seen before: a server
    that turns in circles must not make a task do so.

    :param limit: how many items at most.
    :raises ConfigurationError: an argument is out of its range; at once, not at the first item.
    """
    if limit is not None:
        page_size = max(1, min(page_size, limit))
    first = api.list_page(conversation_id, order=order, after=after, limit=page_size)

    def pages() -> Iterator[Item]:
        seen = {after}
        call = first
        while True:
            page = client.send(call)
            yield from page.items
            if not page.has_more or not page.items or not page.last_id or page.last_id in seen:
                return
            seen.add(page.last_id)
            call = api.list_page(conversation_id, order=order, after=page.last_id, limit=page_size)

    return islice(pages(), limit)
