"""What a request for a response asks for, and what the vendor refuses in one."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError
from airflow_provider_yandex_conv.emulator.new_items import new_items
from airflow_provider_yandex_conv.emulator.schema import instance_of

_MODEL_URI = re.compile(r"gpt://(?P<folder>[^/\s]+)/\S+")
#: The model of an agent, which the emulator does not know.
_AGENT_MODEL = "gpt://emulator/yandexgpt"
#: Fields that the answer repeats, and what it says where they were not sent.
_REPEATED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": None,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
}
_KINDS: dict[str, tuple[type, ...]] = {
    "background": (bool,),
    "instructions": (str,),
    "max_output_tokens": (int,),
    "previous_response_id": (str,),
    "prompt": (dict,),
    "store": (bool,),
    "temperature": (int, float),
    "text": (dict,),
    "tools": (list,),
}


@dataclass(frozen=True)
class ResponseRequest:
    """
    What is asked for, checked.

    :param items: the input as items, with ids.
    """

    body: dict[str, Any]
    items: list[dict[str, Any]]
    model: str
    conversation_id: str | None

    @classmethod
    def from_body(
        cls, body: dict[str, Any], find: Callable[[str], dict[str, Any]], folder_id: str | None
    ) -> ResponseRequest:
        """
        Read the body of a request, or refuse.

        :param find: returns the item that a reference names.
        :param folder_id: the only folder whose models may be named; None for any.
        """
        given = {name: value for name, value in body.items() if value is not None}
        _check(given)
        asked = given.get("input", [])
        return cls(
            body=given,
            items=new_items(
                [{"role": "user", "content": asked}] if isinstance(asked, str) else asked, find, name="input"
            ),
            model=_model(given, folder_id),
            conversation_id=_conversation_id(given),
        )

    @property
    def background(self) -> bool:
        """Whether the answer comes before the response has ended."""
        return bool(self.body.get("background", False))

    @property
    def store(self) -> bool:
        """Whether the response can be read afterwards."""
        return bool(self.body.get("store", True))

    @property
    def previous_response_id(self) -> str | None:
        """The response that it goes on from."""
        return self.body.get("previous_response_id")

    @property
    def instructions(self) -> str:
        """What the model is told beside the input."""
        return str(self.body.get("instructions", ""))

    @property
    def max_output_tokens(self) -> int | None:
        """How many tokens the model may give."""
        return self.body.get("max_output_tokens")

    @property
    def text_format(self) -> dict[str, Any]:
        """How the answer is to be written."""
        return dict(self.body.get("text", {}).get("format") or {"type": "text"})

    def echoed(self) -> dict[str, Any]:
        """Return what a response says of its request."""
        return {
            **{name: deepcopy(self.body.get(name, default)) for name, default in _REPEATED.items()},
            "conversation": None if self.conversation_id is None else {"id": self.conversation_id},
            "metadata": None,
            "model": self.model,
            "reasoning": None,
            "text": {"format": deepcopy(self.text_format)},
            "truncation": None,
        }


def _check(given: dict[str, Any]) -> None:
    for name, kinds in _KINDS.items():
        value = given.get(name)
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise APIError(400, f"Invalid type for '{name}'.", code="invalid_type")
    if given.get("stream"):
        raise APIError(400, "The emulator does not stream: leave 'stream' out.", code="unsupported_parameter")
    if not 0 <= given.get("temperature", 0) <= 1:
        raise APIError(400, "Invalid 'temperature': expected a number from 0 to 1.", code="invalid_value")
    if given.get("max_output_tokens", 16) < 16:
        raise APIError(400, "Invalid 'max_output_tokens': expected at least 16.", code="integer_below_min_value")
    if given.get("background") and not given.get("store", True):
        raise APIError(400, "Background responses need 'store'.", code="invalid_value")
    if "conversation" in given and "previous_response_id" in given:
        message = "'previous_response_id' cannot be used in conjunction with 'conversation'."
        raise APIError(400, message, code="mutually_exclusive_parameters")
    _check_format(given.get("text", {}).get("format"))


def _check_format(text_format: Any) -> None:
    if text_format is None:
        return
    kind = text_format.get("type") if isinstance(text_format, dict) else None
    if kind not in {"text", "json_object", "json_schema"}:
        raise APIError(400, f"Invalid value for 'text.format.type': {kind!r}.", code="invalid_value")
    if kind == "json_schema" and not (text_format.get("name") and isinstance(text_format.get("schema"), dict)):
        message = "Missing required parameter: 'text.format.name' or 'text.format.schema'."
        raise APIError(400, message, code="missing_required_parameter")
    if kind == "json_schema":
        instance_of(text_format["schema"], "")  # refuses what the model could not answer


def _model(given: dict[str, Any], folder_id: str | None) -> str:
    if "prompt" in given and not given["prompt"].get("id"):
        raise APIError(400, "Missing required parameter: 'prompt.id'.", code="missing_required_parameter")
    if "model" not in given:
        if "prompt" in given:
            return _AGENT_MODEL
        raise APIError(400, "Missing required parameter: 'model'.", code="missing_required_parameter")
    uri = _MODEL_URI.fullmatch(str(given["model"]))
    if uri is None:
        raise APIError(400, "Failed to parse model URI", shape="rpc_status")
    if folder_id is not None and uri["folder"] != folder_id:
        message = f"Specified folder ID '{uri['folder']}' does not match with service account folder ID '{folder_id}'"
        raise APIError(400, message, shape="rpc_status")
    return str(given["model"])


def _conversation_id(given: dict[str, Any]) -> str | None:
    conversation = given.get("conversation")
    found = conversation.get("id") if isinstance(conversation, dict) else conversation
    if conversation is not None and not isinstance(found, str):
        raise APIError(400, "Invalid type for 'conversation'.", code="invalid_type")
    return found
