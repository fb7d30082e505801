"""The model behind the emulator: it echoes, and says how many messages it saw. A token is a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.emulator.answers import Answer
from airflow_provider_yandex_conv.emulator.new_items import new_id
from airflow_provider_yandex_conv.emulator.schema import instance_of


@dataclass(frozen=True)
class Seen:
    """
    What the model sees.

    :param items: all of it, oldest first: what came before, and the input.
    :param instructions: of this response only.
    :param text_format: how the answer is to be written: ``{"type": "text"}``, ``json_object`` or ``json_schema``.
    :param max_output_tokens: None for no limit.
    """

    items: Sequence[dict[str, Any]]
    instructions: str
    text_format: dict[str, Any]
    max_output_tokens: int | None

    @property
    def last_text(self) -> str:
        """The text of the last message."""
        messages = [item for item in self.items if item["type"] == "message"]
        return text_of(messages[-1]) if messages else ""


@dataclass(frozen=True)
class Said:
    """
    What the model gives.

    :param status: of the response, at its end.
    :param reason: why it is incomplete.
    :param usage: as the vendor counts it; None where nothing was.
    """

    status: str
    output: list[dict[str, Any]]
    error: dict[str, Any] | None
    reason: str | None
    usage: dict[str, Any] | None


def say(seen: Seen, answer: Answer) -> Said:
    """Return what the model gives where ``answer`` is scripted."""
    status, reason = answer.end, answer.reason
    output = _output(seen, answer) if status in {"completed", "incomplete"} or answer.output is not None else []
    limit = seen.max_output_tokens
    if answer.text is None and output and limit is not None and _words(output) > limit:
        status, reason = "incomplete", "max_output_tokens"
        output = [_message({**_TEXT, "text": " ".join(text_of(output[0]).split()[:limit])}, status="incomplete")]
    usage = answer.usage if answer.usage is not None or not output else _usage(seen, output)
    return Said(status, output, answer.error, reason, usage)


def text_of(item: dict[str, Any]) -> str:
    """Return all text of an item."""
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


_TEXT = {"type": "output_text", "annotations": [], "logprobs": []}


def _output(seen: Seen, answer: Answer) -> list[dict[str, Any]]:
    if answer.output is not None:
        return [{"id": new_id(item["type"]), "status": "completed", **item} for item in answer.output]
    if answer.refusal is not None:
        return [_message({"type": "refusal", "refusal": answer.refusal})]
    return [_message({**_TEXT, "text": _echo(seen) if answer.text is None else answer.text}, status=answer.end)]


def _message(part: dict[str, Any], *, status: str = "completed") -> dict[str, Any]:
    return {"id": new_id("msg"), "type": "message", "status": status, "role": "assistant", "content": [part]}


def _echo(seen: Seen) -> str:
    count = sum(item["type"] == "message" for item in seen.items)
    text = f"{count} message{'' if count == 1 else 's'} seen; the last says: {seen.last_text}"
    if seen.text_format["type"] == "json_schema":
        return json.dumps(instance_of(seen.text_format["schema"], text), ensure_ascii=False)
    return json.dumps({"echo": text}, ensure_ascii=False) if seen.text_format["type"] == "json_object" else text


def _usage(seen: Seen, output: Sequence[dict[str, Any]]) -> dict[str, Any]:
    input_tokens = _words(seen.items) + len(seen.instructions.split())
    output_tokens = _words(output)
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def _words(items: Sequence[dict[str, Any]]) -> int:
    return sum(len(text_of(item).split()) for item in items)
