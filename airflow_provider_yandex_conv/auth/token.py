"""An IAM token, and how it is read from the answers of the services that issue it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_yandex_conv.api.decode import decode_object
from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.auth.secret import Secret, SecretObject
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InvalidResponseError

#: How long before its end a token is replaced, in seconds; a tenth of its life where that is less.
_MARGIN = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """
    An IAM token.

    :param secret: sent as ``Authorization: Bearer <secret>``.
    :param received_at: Unix seconds.
    :param expires_at: Unix seconds, as the service said: it may return the same token again, so it is never computed
        from the longest life that a token can have.
    """

    secret: Secret
    received_at: float
    expires_at: float

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired."""
        return now < self.expires_at

    def is_fresh(self, now: float) -> bool:
        """Whether it is too early to replace it."""
        return now < self.expires_at - min(_MARGIN, (self.expires_at - self.received_at) / 10)


def from_iam(response: Response) -> Token:
    """
    Read ``{"iamToken": str, "expiresAt": <RFC 3339, up to nanoseconds>}``.

    Source: https://yandex.cloud/en/docs/iam/operations/iam-token/create-for-sa

    :raises APIStatusError: the answer is not a success.
    :raises InvalidResponseError: it has no token, or one that has expired.
    """
    return _read(response, "iamToken", lambda answer: _epoch(answer.get("expiresAt")))


def from_oauth(response: Response) -> Token:
    """
    Read ``{"access_token": str, "expires_in": <seconds>, "token_type": "Bearer"}``.

    Source: https://yandex.cloud/en/docs/compute/operations/vm-connect/auth-inside-vm

    :raises APIStatusError: the answer is not a success.
    :raises InvalidResponseError: it has no token, or one that has expired.
    """
    return _read(response, "access_token", lambda answer: _after(response.received_at, answer.get("expires_in")))


def _read(response: Response, key: str, expiry: Callable[[SecretObject], float | None]) -> Token:
    if not 200 <= response.status < 300:
        decode_object(response)  # raises
    # A success is never quoted: it holds a token, also where it cannot be read.
    answer = SecretObject.parse(response.body.decode("utf-8", errors="replace"))
    secret = _secret(answer.get(key))
    expires_at = expiry(answer)
    if secret is None:
        raise _invalid(response, f"the answer has no {key} that can be sent")
    if expires_at is None:
        raise _invalid(response, "the answer does not say when the token expires")
    if expires_at <= response.received_at:
        raise _invalid(response, f"a token that expired {response.received_at - expires_at:.0f} s ago")
    return Token(secret=secret, received_at=response.received_at, expires_at=expires_at)


def _invalid(response: Response, message: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"HTTP {response.status}: {message}",
        request_id=response.request_id,
        server_trace_id=response.server_trace_id,
    )


def _secret(value: Any) -> Secret | None:
    try:
        return Secret(value, name="token") if isinstance(value, str) else None
    except ConfigurationError:
        return None


def _after(start: float, seconds: Any) -> float | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return start + seconds


def _epoch(text: Any) -> float | None:
    """Return an RFC 3339 time as Unix seconds; ``datetime`` reads at most six digits of a fraction."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|([+-]\d\d):?(\d\d))", str(text))
    if parts is None:
        return None
    day, clock, fraction, hours, minutes = parts.groups()
    try:
        offset = timezone(timedelta(hours=int(hours or 0), minutes=int(f"{(hours or '+')[0]}{minutes or 0}")))
        return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=offset).timestamp() + float(fraction or 0)
    except (ValueError, OverflowError):
        return None
