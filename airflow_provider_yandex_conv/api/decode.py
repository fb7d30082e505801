"""
An HTTP answer becomes a JSON object or the right exception.

The vendor documents several shapes of error body, and load balancers in front of it add their own:

- ``{"error": {"message", "type", "param", "code"}}``, that of the OpenAI specification
- ``{"code", "message", "details": [{"requestId"}]}``, google.rpc.Status
- ``{"error": {"grpcCode", "httpCode", "message", "httpStatus", "details"}}``
- ``{"code", "message", "param", "type"}``
- ``{"error", "error_description"}``, that of OAuth (RFC 6749), where tokens are exchanged
- ``{"error": "text"}``, a JSON string, HTML, plain text, nothing

Source: https://yandex.cloud/en/docs/ai-studio/troubleshooting/error-codes
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.exceptions import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    UnsupportedEndpointError,
)

#: Below 500, what says nothing of whether the request was applied: 303 sends on to the result of one that was, and 408
#: and 499 are the words of a server, or of something before it, that did not wait any longer.
_UNKNOWN_OUTCOME = {303, 408, 499}

#: How much of a body an error keeps, in characters.
MAX_BODY_CHARACTERS = 2048

_ERRORS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: UnsupportedEndpointError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    501: UnsupportedEndpointError,
}


def decode_object(response: Response) -> dict[str, Any]:
    """
    Return the JSON object in a successful answer.

    :raises APIStatusError: the status is not 2xx; the subclass tells which.
    :raises InvalidResponseError: the status is 2xx and the body is not a JSON object, or is an error.
    """
    if not 200 <= response.status < 300:
        raise _status_error(response)
    body = _parse_json(response.body)
    if not isinstance(body, dict):
        raise invalid_response(response, f"expected a JSON object, got {_describe(response)}")
    if body.get("error") and not body.get("id"):
        raise invalid_response(response, f"a success that holds an error: {_message(body)}")
    return body


def required_id(raw: Mapping[str, Any], response: Response) -> str:
    """
    Return the id in an answer.

    :raises InvalidResponseError: there is none.
    """
    value = raw.get("id")
    if isinstance(value, str) and value:
        return value
    raise invalid_response(response, "the answer has no id")


def retry_after_seconds(response: Response) -> float | None:
    """
    Return how long the server asks to wait, in seconds, or None.

    Read from ``retry-after-ms``, else ``Retry-After`` as seconds or as an HTTP date. A date is compared with the
    answer's own ``Date``, so that a clock that is wrong here does no harm.
    """
    milliseconds = _number(response.headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = response.headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _epoch(value)
    if until is None:
        return None
    sent_at = _epoch(response.headers.get("date"))
    return max(0.0, until - (response.received_at if sent_at is None else sent_at))


def _status_error(response: Response) -> APIStatusError:
    body = _parse_json(response.body)
    message = _redirect(response) or _message(body) or _describe(response)
    kind = _ERRORS.get(response.status) or (InternalServerError if response.status >= 500 else APIStatusError)
    error = kind(
        f"HTTP {response.status} {_reason(response.status)}: {message}",
        status=response.status,
        code=_code(body),
        body=_text(response.body),
        retry_after=retry_after_seconds(response),
        request_id=response.request_id or _request_id_in(body),
        server_trace_id=response.server_trace_id,
    )
    if response.status in _UNKNOWN_OUTCOME:
        error.applied = None
    if response.status in {408, 499}:
        error.transient, error.advice = True, "A retry may succeed"
    return error


def invalid_response(response: Response, message: str) -> InvalidResponseError:
    """Return the error that a success is which breaks the contract."""
    return InvalidResponseError(
        f"HTTP {response.status}: {message}",
        request_id=response.request_id,
        server_trace_id=response.server_trace_id,
    )


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _message(body: Any) -> str | None:
    """Return the text of an error body, whichever its shape."""
    error = body.get("error", body) if isinstance(body, dict) else body
    text = error.get("message") if isinstance(error, dict) else error
    if isinstance(text, str) and isinstance(body, dict) and isinstance(body.get("error_description"), str):
        text = f"{text}: {body['error_description']}"
    return text[:MAX_BODY_CHARACTERS] if isinstance(text, str) and text.strip() else None


def _code(body: Any) -> str | None:
    """Return the code in an error body as text; vendors write it as a string or as a number."""
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    code = error.get("code", error.get("grpcCode"))
    return str(code) if isinstance(code, str | int) else None


def _request_id_in(body: Any) -> str | None:
    """Return the request id in the details of a google.rpc.Status."""
    details = body.get("details") if isinstance(body, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("requestId"), str):
            return str(detail["requestId"])
    return None


def _redirect(response: Response) -> str | None:
    """Say where a redirect points: its host and path, as a query may hold anything."""
    if not 300 <= response.status < 400:
        return None
    try:
        target = urlsplit(response.headers.get("location", ""))
        where = f"{target.hostname or ''}{target.path}" or "nowhere"
    except ValueError:
        where = "no valid URL"
    return f"redirects are not followed, this one points to {where}; check the host of the connection"


def _describe(response: Response) -> str:
    """Describe a body that carries no message of its own."""
    if not response.body.strip():
        return "an empty body"
    text = _text(response.body)
    if re.match(r"\s*<(!doctype|html)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        named = f" titled {' '.join(html.unescape(title[1]).split())!r}" if title else ""
        return f"an HTML page{named}"
    return f"{len(response.body)} bytes that are not the documented JSON: {' '.join(text.split())[:200]!r}"


def _text(body: bytes) -> str:
    return body[: 4 * MAX_BODY_CHARACTERS].decode("utf-8", errors="replace")[:MAX_BODY_CHARACTERS]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(unknown status)"


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _epoch(value: str | None) -> float | None:
    try:
        date = parsedate_to_datetime(value) if value is not None else None
        if date is None:
            return None
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
