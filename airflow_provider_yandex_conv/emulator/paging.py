"""Lists in pages: what a request asks for, and how the page is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError


@dataclass(frozen=True)
class PageQuery:
    """
    The page that is asked for.

    :param order: ``asc`` for oldest first, or ``desc``.
    :param after: id of the item after which it begins, in that order.
    """

    limit: int
    order: str
    after: str | None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PageQuery:
        """Read the parameters of a request, or refuse with 400."""
        return cls(
            limit=_limit(query.get("limit", "20")),
            order=_order(query.get("order", "desc")),
            after=query.get("after"),
        )


def page_of(items: Sequence[dict[str, Any]], query: PageQuery, where: str) -> tuple[list[dict[str, Any]], bool]:
    """
    Return a page and whether more follow.

    :param items: oldest first.
    :param where: what holds them, for the refusal.
    """
    ordered = list(items) if query.order == "asc" else list(reversed(items))
    if query.after is not None:
        ids = [item["id"] for item in ordered]
        if query.after not in ids:
            raise APIError(400, f"Item with id '{query.after}' not found in {where}.", code="invalid_value")
        ordered = ordered[ids.index(query.after) + 1 :]
    return ordered[: query.limit], len(ordered) > query.limit


def item_list(items: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Write a page as the API answers it."""
    ids = [item["id"] for item in items]
    return {
        "object": "list",
        "data": items,
        "has_more": has_more,
        "first_id": ids[0] if ids else "",
        "last_id": ids[-1] if ids else "",
    }


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= 100:
        raise APIError(400, "Invalid 'limit': expected an integer from 1 to 100.", code="invalid_value")
    return limit


def _order(text: str) -> str:
    if text not in {"asc", "desc"}:
        raise APIError(400, "Invalid 'order': expected 'asc' or 'desc'.", code="invalid_value")
    return text
