"""Reading lists of items page by page, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.paging import MAX_PAGE_SIZE, Order

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item, ItemPage
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.sending import Caller


class PageBuilder(Protocol):
    """Builds the call for a page."""

    def __call__(self, *, after: str | None, limit: int) -> Call[ItemPage]:
        """
        Return the call.

        :param after: id of the item after which the page begins.
        :param limit: how many items it holds at most.
        :raises ConfigurationError: an argument is out of its range.
        """


def iterate(
    client: Caller,
    conversation_id: str,
    *,
    order: Order = "asc",
    after: str | None = None,
    page_size: int = MAX_PAGE_SIZE,
    limit: int | None = None,
) -> Iterator[Item]:
    """Return an iterator over the items of a conversation, as :func:`iterate_pages` does."""
    page = partial(api.list_page, conversation_id, order=order)
    return iterate_pages(client, page, after=after, page_size=page_size, limit=limit)


def iterate_pages(
    client: Caller, page: PageBuilder, *, after: str | None, page_size: int, limit: int | None
) -> Iterator[Item]:
    """
    Return an iterator over items, which reads a page when it needs one.

    It ends with the page that says so, at an empty page, and where ``last_id`` is empty or was seen before: a server
    that turns in circles must not make a task do so.

    :param page: builds the calls.
    :param limit: how many items at most.
    :raises ConfigurationError: an argument is out of its range; at once, not at the first item.
    """
    if limit is not None:
        page_size = max(1, min(page_size, limit))
    first = page(after=after, limit=page_size)

    def items() -> Iterator[Item]:
        seen = {after}
        call = first
        while True:
            read = client.send(call)
            yield from read.items
            if not read.has_more or not read.items or not read.last_id or read.last_id in seen:
                return
            seen.add(read.last_id)
            call = page(after=read.last_id, limit=page_size)

    return islice(items(), limit)
