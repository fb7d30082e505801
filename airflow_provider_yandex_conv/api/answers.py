"""
Whether a conversation holds the answer to an input that was sent.

When the answer to a request for a response is lost, its id is lost as well. But input and output are added to the
conversation once the response is complete, in this order; so they can be recognised there. Source:
https://yandex.cloud/en/docs/ai-studio/responses/createResponse
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.api.matching import is_stored_as
from airflow_provider_yandex_conv.api.models import Item

#: Who speaks on this side of a conversation.
_ASKING_ROLES = {"user", "system", "developer"}
#: Steps of an answer which the model itself goes on from; with any other item an answer can end.
_STEPS = {
    "reasoning",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_call",
    "mcp_list_tools",
}


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """
    Items of a conversation that are the answer to an input.

    :param items: in the order in which the model gave them; never empty.
    """

    items: tuple[Item, ...]

    @property
    def text(self) -> str:
        """All text of the answer's messages, joined."""
        return "".join(item.text for item in self.items if item.role == "assistant")


def as_items(content: str | Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Return the input of a response as the items that a conversation holds for it."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    return list(content or ())


def answers_to(sent: Sequence[Mapping[str, Any]], stored: Sequence[Item]) -> list[StoredAnswer]:
    """
    Return every complete answer to an input.

    More than one means that somebody else sent the same; which is whose cannot be told.

    :param sent: the input as items; where there is none, the answer is what comes first.
    :param stored: the items behind the one that was last before the input was sent, oldest first.
    """
    starts = range(len(stored) - len(sent) + 1) if sent else range(1)
    found = []
    for start in starts:
        asked = stored[start : start + len(sent)]
        if all(is_stored_as(one, item) for one, item in zip(sent, asked, strict=True)):
            output = _output(stored[start + len(sent) :])
            if _is_complete(output):
                found.append(StoredAnswer(tuple(output)))
    return found


def _output(stored: Sequence[Item]) -> list[Item]:
    """Return the items up to the next one that somebody asks with."""
    output: list[Item] = []
    for item in stored:
        if item.role in _ASKING_ROLES or item.type.endswith("_output") or item.type == "mcp_approval_response":
            break
        output.append(item)
    return output


def _is_complete(output: Sequence[Item]) -> bool:
    if any(item.raw.get("status") == "in_progress" for item in output):
        return False
    return bool(output) and output[-1].type not in _STEPS
