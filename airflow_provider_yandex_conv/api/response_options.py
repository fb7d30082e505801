"""
The fields of a request for a response: which there are, which the vendor supports, and what each may hold.

Source: https://yandex.cloud/en/docs/ai-studio/responses/createResponse
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from airflow_provider_yandex_conv.api.limits import check_json, check_objects
from airflow_provider_yandex_conv.api.wire import encode_id
from airflow_provider_yandex_conv.exceptions import ConfigurationError


class ResponseOptions(TypedDict, total=False):
    """
    The fields beside model, input and conversation; one that is None is left out.

    :param prompt: a saved agent, ``{"id": str, "version"?: str, "variables"?: {str: str}}``, which may have a model.
    :param instructions: what the model is told for this response only.
    :param previous_response_id: the response to go on from, instead of a conversation.
    :param text: the form of the output, such as ``{"format": {"type": "json_schema", "name": str, "schema": object}}``.
    :param tools: objects that describe what the model may call.
    :param tool_choice: ``auto``, ``none``, ``required``, or the tool to call as an object.
    :param parallel_tool_calls: whether the model may call several tools at once.
    :param max_tool_calls: how many calls of tools there may be.
    :param max_output_tokens: how many tokens the model may give, thinking included.
    :param temperature: 0 for the likeliest words, to 1 for the most varied ones.
    :param top_p: 0 to 1: the share of likely words to choose from. Not every model supports it.
    :param top_logprobs: how many likely words to list at each place. Not every model supports it.
    :param background: whether the answer comes at once, and the response is read later.
    :param store: whether the response can be read later; the vendor's default is true.
    :param include: further data to send in the output.
    :param metadata: not supported by the vendor, like all that follow.
    :param reasoning: how hard to think.
    :param truncation: what to do where the context is too long.
    :param safety_identifier: who asks, so that abuse can be told.
    :param prompt_cache_key: what is cached together.
    :param prompt_cache_retention: how long.
    :param service_tier: how soon it is served.
    :param stream_options: of a stream.
    """

    prompt: Mapping[str, Any] | None
    instructions: str | None
    previous_response_id: str | None
    text: Mapping[str, Any] | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    max_tool_calls: int | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_logprobs: int | None
    background: bool | None
    store: bool | None
    include: Sequence[str] | None
    metadata: Mapping[str, str] | None
    reasoning: Mapping[str, Any] | None
    truncation: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    service_tier: str | None
    stream_options: Mapping[str, Any] | None


#: What the vendor marks as not supported, and what to do in place of each.
UNSUPPORTED: Mapping[str, str] = {
    "metadata": "put it on the conversation",
    "reasoning": "leave it out",
    "truncation": "leave it out, and keep the conversation short enough",
    "safety_identifier": "leave it out",
    "prompt_cache_key": "leave it out",
    "prompt_cache_retention": "leave it out",
    "service_tier": "leave it out",
    "stream_options": "leave it out",
}
#: What each field holds: the types, and what they are called.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "prompt": ((Mapping,), "an object"),
    "instructions": ((str,), "a string"),
    "previous_response_id": ((str,), "a string"),
    "text": ((Mapping,), "an object"),
    "tools": ((list, tuple), "a list of objects"),
    "tool_choice": ((str, Mapping), "a string or an object"),
    "parallel_tool_calls": ((bool,), "true or false"),
    "max_tool_calls": ((int,), "a whole number"),
    "max_output_tokens": ((int,), "a whole number"),
    "temperature": ((int, float), "a number"),
    "top_p": ((int, float), "a number"),
    "top_logprobs": ((int,), "a whole number"),
    "background": ((bool,), "true or false"),
    "store": ((bool,), "true or false"),
    "include": ((list, tuple), "a list of strings"),
}


def given_options(options: Mapping[str, Any], *, allow_unsupported: bool) -> dict[str, Any]:
    """
    Return the options that are not None, checked.

    :param allow_unsupported: whether to let pass what the vendor does not support, or what is not known here.
    :raises ConfigurationError: one cannot be sent; the message says which and why.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "conversation" in given:
        raise ConfigurationError("a response has no argument conversation; it is called conversation_id")
    if given.pop("stream", False):
        raise ConfigurationError("stream=True is not offered, as the answer is read whole; leave it out")
    if not allow_unsupported:
        _check_supported(given)
    for name, value in given.items():
        _check_kind(name, value)
        check_json(name, value)
    _check_parts(given)
    return given


def _check_supported(given: Mapping[str, Any]) -> None:
    for name in given:
        if name in UNSUPPORTED:
            raise ConfigurationError(
                f"the vendor does not support {name} of a response; {UNSUPPORTED[name]}, or send it all the same with "
                "allow_unsupported=True"
            )
        if name not in _KINDS:
            raise ConfigurationError(
                f"{name!r} is no field of a response that is known here; check its name, or send it all the same with "
                "allow_unsupported=True"
            )
    if not 0 <= _number(given.get("temperature")) <= 1:
        raise ConfigurationError(
            f"temperature must be from 0 to 1, got {given['temperature']!r}; change it, or send it all the same with "
            "allow_unsupported=True"
        )


def _check_kind(name: str, value: Any) -> None:
    kinds, called = _KINDS.get(name, ((object,), ""))
    if not isinstance(value, kinds) or (isinstance(value, bool) and not {bool, object} & set(kinds)):
        raise ConfigurationError(f"{name} must be {called}, got {type(value).__name__}")


def _check_parts(given: Mapping[str, Any]) -> None:
    if "tools" in given:
        check_objects("tools", given["tools"])
    if "prompt" in given:
        encode_id("prompt['id']", given["prompt"].get("id"))
    if "previous_response_id" in given:
        encode_id("previous_response_id", given["previous_response_id"])
    if given.get("max_output_tokens", 1) < 1:
        raise ConfigurationError(f"max_output_tokens must be at least 1, got {given['max_output_tokens']}")


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0
