"""What becomes of a model response, other than an answer. The request was a success, and may have been billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_yandex_conv.exceptions.base import YandexAIStudioError


class ResponseError(YandexAIStudioError):
    """
    There is a model response, and it is not what was asked for.

    :param response_id: of the response.
    :param reason: why, in the server's words where it gave any.
    :param code: the server's word for the reason.
    :param usage: the tokens that were counted, and so billed, as ``Usage.as_dict`` names them; None where the server
        did not say.
    """

    applied = True
    advice = "A retry asks, and pays, again"

    def __init__(
        self,
        message: str,
        *,
        response_id: str = "",
        reason: str | None = None,
        code: str | None = None,
        usage: Mapping[str, int] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.response_id = response_id
        self.reason = reason
        self.code = code
        self.usage = usage

    def _details(self) -> dict[str, Any]:
        return {"response": self.response_id or None, "code": self.code, **super()._details()}

    def _fate(self) -> str:
        if self.usage is None:
            return "The server did not say what was billed"
        return f"Billed: {self.usage['input_tokens']} input and {self.usage['output_tokens']} output tokens"


class ResponseFailedError(ResponseError):
    """
    The response failed, although the request for it was a success.

    :param transient: whether another response can succeed.
    """

    def __init__(self, message: str, *, transient: bool = True, **details: Any) -> None:
        super().__init__(message, **details)
        self.transient = transient
        if not transient:
            self.advice = "The same request will fail again"

    @property
    def final(self) -> bool:
        """Where another response cannot succeed."""
        return not self.transient


class ResponseIncompleteError(ResponseError):
    """The model was cut short: by ``max_output_tokens``, or by a filter of its content."""

    final = True
    advice = "The same request will be cut short again; raise max_output_tokens, or ask for less or for something else"


class ResponseCancelledError(ResponseError):
    """The response was cancelled before its end."""


class ResponseTimeoutError(ResponseError):
    """The response had not come to its end when the time for it was up."""

    transient = True

    def _fate(self) -> str:
        return "It may go on, and is billed when it ends"


class ResponseRefusedError(ResponseError):
    """The model refused to answer."""

    final = True
    advice = "Change what is asked for"


class ResponseSchemaError(ResponseError):
    """The model answered, and not in the form that was asked for."""
