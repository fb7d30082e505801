"""Errors as the vendor writes them: several shapes, told apart by who in the vendor's stack refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

_GRPC_CODES: Mapping[int, int] = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 429: 8, 500: 13, 501: 12, 503: 14, 504: 4}
_PHRASES: Mapping[int, str] = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway"}


class APIError(Exception):
    """
    A refusal.

    :param shape: a key of ``SHAPES``.
    :param code: the vendor's code where the shape has one of its own.
    """

    def __init__(self, status: int, message: str, *, shape: str = "openai", code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.shape = shape
        self.code = code

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the refusal as an HTTP answer."""
        return error_response(self.status, self.message, shape=self.shape, code=self.code, headers=headers)


def error_response(
    status: int,
    message: str,
    *,
    shape: str = "openai",
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an error body of the given shape as an HTTP answer."""
    content, media_type = SHAPES[shape](status, message, code)
    return Response(content, status_code=status, media_type=media_type, headers=dict(headers or {}))


def _openai(status: int, message: str, code: str | None) -> tuple[str, str]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _rpc_status(status: int, message: str, code: str | None) -> tuple[str, str]:
    detail = {
        "@type": "type.googleapis.com/google.rpc.RequestInfo",
        "requestId": "00000000-aaaa-bbbb-cccc-000000000000",
    }
    return _json({"code": _GRPC_CODES.get(status, 2), "message": message, "details": [detail]})


def _grpc(status: int, message: str, code: str | None) -> tuple[str, str]:
    phrase = _PHRASES.get(status, "Error")
    error = {"grpcCode": _GRPC_CODES.get(status, 2), "httpCode": status, "message": message, "httpStatus": phrase}
    return _json({"error": {**error, "details": []}})


def _flat(status: int, message: str, code: str | None) -> tuple[str, str]:
    return _json({"code": code or "error", "message": message, "param": None, "type": "invalid_request_error"})


def _oauth(status: int, message: str, code: str | None) -> tuple[str, str]:
    return _json({"error": code or "invalid_request", "error_description": message})


def _text_in_error(status: int, message: str, code: str | None) -> tuple[str, str]:
    return _json({"error": message})


def _html(status: int, message: str, code: str | None) -> tuple[str, str]:
    title = f"{status} {_PHRASES.get(status, 'Error')}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1>{message}</body>\r\n</html>"
    return page, "text/html"


def _json(body: Any) -> tuple[str, str]:
    return json.dumps(body), "application/json"


#: How each shape writes (status, message, code): the body and its media type.
SHAPES: Mapping[str, Callable[[int, str, str | None], tuple[str, str]]] = {
    "openai": _openai,
    "rpc_status": _rpc_status,
    "grpc": _grpc,
    "flat": _flat,
    "oauth": _oauth,
    "string": _text_in_error,
    "bare_string": lambda status, message, code: _json(message),
    "html": _html,
    "text": lambda status, message, code: (message, "text/plain"),
    "empty": lambda status, message, code: ("", "application/json"),
}
