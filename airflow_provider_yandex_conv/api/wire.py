"""What goes over the wire, as values. Nothing here does I/O, reads a clock or draws a random number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from airflow_provider_yandex_conv.exceptions import ConfigurationError

T = TypeVar("T")


class Safety(Enum):
    """What sending a request twice does. It decides retries; the HTTP method does not."""

    #: The state afterwards is the same as after sending it once.
    REPEATABLE = "repeatable"
    #: A second thing comes into being; the vendor has no idempotency key.
    CREATES = "creates"


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request to the API.

    :param method: HTTP method in capitals.
    :param path: path below the base URL, percent-encoded, without a leading slash.
    :param body: what is sent as a JSON object, or None for no body.
    :param query: query parameters, not encoded.
    :param timeout_read: seconds that the server may be silent; None for as long as the connection says.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    timeout_read: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """
    An HTTP request to a service that issues tokens. It carries no credential and no folder, as it is not to the API.

    :param url: the whole URL.
    :param headers: further headers.
    :param body: what is sent, or None for no body. A value may be a secret, which is revealed as it is sent.
    :param form: whether the body is sent as a form, not as a JSON object.
    :param local: whether the service is on this machine's own link: no proxy, and no long wait for a connection.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    form: bool = False
    local: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """
    An HTTP answer.

    :param status: HTTP status.
    :param headers: names in lower case.
    :param body: as received, decompressed.
    :param received_at: Unix seconds, so that nothing which reads a response needs a clock.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: float

    @property
    def request_id(self) -> str | None:
        """``x-request-id``, which the vendor does not always send."""
        return self.headers.get("x-request-id")

    @property
    def server_trace_id(self) -> str | None:
        """``x-server-trace-id``."""
        return self.headers.get("x-server-trace-id")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One endpoint with its arguments filled in.

    :param name: what it does, for messages: ``create conversation``.
    :param parse: reads any answer: returns the result, or raises the error that the answer stands for.
    :param if_gone: the result when a repeated attempt finds nothing (404) because an earlier one, whose answer was
        lost, already removed it. None where a 404 is an error on every attempt.
    """

    name: str
    request: Request | TokenRequest
    parse: Callable[[Response], T]
    safety: Safety
    if_gone: T | None = None


def encode_id(name: str, value: str) -> str:
    """
    Percent-encode an id whole for use in a path; ids are opaque.

    :param name: what the id is called, for the message.
    :raises ConfigurationError: the id is not a string, is empty, or is ``.`` or ``..``, which HTTP clients resolve.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a string, got {type(value).__name__}")
    if not value.strip():
        raise ConfigurationError(f"{name} is empty ({len(value)} characters); check the task that should have set it")
    if value in {".", ".."}:
        raise ConfigurationError(f"{name} is {value!r} ({len(value)} characters), which is not an id; check its source")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} ({len(value)} characters) holds half of a surrogate pair") from None
