"""
How a response ended, as an error where it is not with an answer.

A response that failed, was cut short, cancelled or refused comes with an HTTP status of success, so nothing below
notices.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.api.response_models import ModelResponse
from airflow_provider_yandex_conv.exceptions import (
    ResponseCancelledError,
    ResponseFailedError,
    ResponseIncompleteError,
    ResponseRefusedError,
    ResponseSchemaError,
    ResponseTimeoutError,
)

#: How the codes begin that say what is wrong with the request, so that it fails again: ``invalid_prompt``, ...
#: Source: https://yandex.cloud/en/docs/ai-studio/responses/createResponse
_FINAL_CODES = ("invalid_", "image_", "unsupported_", "empty_")
_SHOWN_CHARACTERS = 500


def require_answer(response: ModelResponse) -> ModelResponse:
    """
    Return a response that ended with an answer of the model.

    :raises ResponseFailedError: it failed, or has a status that is no end.
    :raises ResponseIncompleteError: the answer was cut short.
    :raises ResponseCancelledError: it was cancelled.
    :raises ResponseRefusedError: the model refused to answer.
    """
    if response.status == "incomplete":
        reason = response.incomplete_reason or "no reason given"
        raise ResponseIncompleteError(f"the answer was cut short: {reason}", **_details(response, reason))
    if response.status == "cancelled":
        raise ResponseCancelledError("the response was cancelled", **_details(response))
    if response.status != "completed":
        raise _failure(response)
    if response.refusal is not None:
        message = f"the model refused: {response.refusal[:_SHOWN_CHARACTERS]}"
        raise ResponseRefusedError(message, **_details(response, response.refusal))
    return response


def timed_out(response: ModelResponse, seconds: float) -> ResponseTimeoutError:
    """
    Return the error that a response amounts to which was waited for in vain.

    :param response: as it was read last.
    :param seconds: how long it was waited for.
    """
    message = f"the response is still {response.status!r} after {seconds:g} s"
    return ResponseTimeoutError(message, **_details(response, response.status))


def unlike_schema(response: ModelResponse, problem: str) -> ResponseSchemaError:
    """
    Return the error that an answer amounts to which has not the form that was asked for.

    :param problem: where and how it differs.
    """
    message = f"the answer does not fit the schema: {problem[:_SHOWN_CHARACTERS]}"
    return ResponseSchemaError(message, **_details(response, problem))


def _failure(response: ModelResponse) -> ResponseFailedError:
    if response.status != "failed":
        message = f"the response ended with the status {response.status!r}, which is not known"
        return ResponseFailedError(message, **_details(response))
    reason = response.error_message or "no reason given"
    return ResponseFailedError(
        f"the response failed: {reason[:_SHOWN_CHARACTERS]}",
        transient=not (response.error_code or "").startswith(_FINAL_CODES),
        code=response.error_code,
        **_details(response, reason),
    )


def _details(response: ModelResponse, reason: str | None = None) -> dict[str, Any]:
    return {
        "response_id": response.id,
        "reason": reason,
        "usage": response.usage.as_dict() if response.usage else None,
        "request_id": response.request_id,
    }
