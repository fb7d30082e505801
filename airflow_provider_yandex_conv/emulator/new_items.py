"""Items as they are sent become items as they are stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError

_ROLES = {"user", "assistant", "system", "developer"}


def new_items(
    items: Any, find: Callable[[str], dict[str, Any]], *, name: str = "items", most: int | None = None
) -> list[dict[str, Any]]:
    """
    Return items as they are stored: with ids and statuses, and the text of a message as a list of parts.

    :param find: returns the item that a reference names.
    :param name: what the vendor calls the list, for the refusal.
    :param most: how many there may be.
    """
    if not isinstance(items, list):
        raise APIError(400, f"Invalid type for '{name}': expected an array.", code="invalid_type")
    if most is not None and len(items) > most:
        raise APIError(400, f"Invalid '{name}': array too long, at most {most}.", code="array_above_max_length")
    return [_new_item(f"{name}[{place}]", item, find) for place, item in enumerate(items)]


def _new_item(place: str, item: Any, find: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise APIError(400, f"Invalid type for '{place}': expected an object.", code="invalid_type")
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str):
        raise APIError(400, f"Missing required parameter: '{place}.type'.", code="missing_required_parameter")
    if kind == "item_reference":
        return {**find(str(item.get("id"))), "id": new_id("ref")}
    if kind != "message":
        return {**item, "id": item.get("id") or new_id(kind), "status": item.get("status", "completed")}
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise APIError(400, f"Invalid value for '{place}.role': {role!r}.", code="invalid_value")
    return {
        "id": new_id("msg"),
        "type": "message",
        "status": "completed",
        "role": role,
        "content": _parts(place, role, item.get("content")),
    }


def _parts(place: str, role: str, content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, dict) and "type" in part for part in content):
        raise APIError(400, f"Invalid type for '{place}.content'.", code="invalid_type")
    return [
        {"annotations": [], "logprobs": [], **part} if part["type"] == "output_text" else dict(part) for part in content
    ]


def new_id(kind: str) -> str:
    """Return an id that nothing else has."""
    return f"{kind}_{uuid.uuid4().hex}"
