"""Lists that come in pages: what is asked for of one."""

from __future__ import annotations

from typing import Literal

from airflow_provider_yandex_conv.exceptions import ConfigurationError

#: The most items of one page, a limit of the vendor.
MAX_PAGE_SIZE = 100

Order = Literal["asc", "desc"]


def page_query(*, order: Order, after: str | None, limit: int) -> dict[str, str]:
    """
    Return the query parameters of a page.

    :param order: ``asc`` for oldest first; the vendor's own default is ``desc``.
    :param after: id of the item after which the page begins, in that order.
    :param limit: 1 to 100.
    :raises ConfigurationError: an argument is out of its range.
    """
    if order not in {"asc", "desc"}:
        raise ConfigurationError(f"order must be 'asc' or 'desc', got {order!r}")
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_PAGE_SIZE:
        raise ConfigurationError(f"the size of a page must be from 1 to {MAX_PAGE_SIZE}, got {limit!r}")
    query = {"order": order, "limit": str(limit)}
    return query if after is None else {**query, "after": after}
