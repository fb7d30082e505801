"""
Whether an item that a server stored is one that was sent.

A server stores a message's text as a list of parts, gives items an id and a status, and adds empty fields; so what was
sent is looked for in what is stored, not compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_yandex_conv.api.models import Item

_TEXT_PARTS = {"input_text", "output_text", "text"}


def stored_prefix(sent: Sequence[Mapping[str, Any]], stored: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """
    Tell which of the items that were sent, in order, are among those stored since.

    :param stored: oldest first.
    :return: the stored items that are the first *n* of those sent, and the stored items that are none of them.
    """
    found: list[Item] = []
    foreign: list[Item] = []
    for item in stored:
        expected = sent[len(found)] if len(found) < len(sent) else None
        (found if expected is not None and is_stored_as(expected, item) else foreign).append(item)
    return found, foreign


def is_stored_as(sent: Mapping[str, Any], stored: Item) -> bool:
    """Tell whether an item that was sent can have become the one that is stored."""
    kind = sent.get("type", "message")
    if kind == "item_reference":
        return True  # what it stands for is copied, under an id that only the server knows
    if kind != stored.type:
        return False
    if kind != "message":
        return _contains(stored.raw, {key: value for key, value in sent.items() if key not in {"id", "status"}})
    return sent.get("role") == stored.role and _same_content(sent.get("content"), stored.raw.get("content"))


def _same_content(sent: Any, stored: Any) -> bool:
    sent, stored = _parts(sent), _parts(stored)
    return len(sent) == len(stored) and all(_same_part(one, other) for one, other in zip(sent, stored, strict=True))


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content) if isinstance(content, Sequence) else [content]


def _same_part(sent: Any, stored: Any) -> bool:
    if not isinstance(sent, Mapping) or not isinstance(stored, Mapping):
        return bool(sent == stored)
    kinds = {sent.get("type"), stored.get("type")}
    if len(kinds) > 1 and not kinds <= _TEXT_PARTS:
        return False
    return _contains(stored, {key: value for key, value in sent.items() if key != "type"})


def _contains(stored: Any, sent: Any) -> bool:
    """Tell whether all that was sent is in what is stored, at the same places; fields may have been added."""
    if isinstance(sent, Mapping):
        return isinstance(stored, Mapping) and all(_contains(stored.get(key), value) for key, value in sent.items())
    if isinstance(sent, Sequence) and not isinstance(sent, str):
        same = isinstance(stored, Sequence) and not isinstance(stored, str) and len(stored) == len(sent)
        return same and all(_contains(one, other) for one, other in zip(stored, sent, strict=True))
    return bool(stored == sent)
