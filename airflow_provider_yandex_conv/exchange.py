"""One request of ours and what becomes of it, whichever library carries it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, AnyStr
from urllib.parse import urlencode

from airflow_provider_yandex_conv.api.wire import Request, Response, T, TokenRequest
from airflow_provider_yandex_conv.auth.credential import Authorization
from airflow_provider_yandex_conv.auth.secret import Secret, SecretObject, secrets_in
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    InvalidResponseError,
    YandexAIStudioError,
)

#: The shortest secret that is looked for in data, in characters. Keys and tokens of the vendor have 40 and more.
_MIN_SECRET_IN_DATA = 12
#: Seconds in which a service on this machine's own link accepts a connection, where there is one.
_LOCAL_CONNECT_TIMEOUT = 2.0
#: The largest answer that is read, in bytes and decompressed: far beyond any of the API, and what a worker can bear.
#: Looked at after each piece, so that what the HTTP library makes of one piece comes on top.
MAX_ANSWER_BYTES = 268_435_456
#: No proxy for any URL, whatever the environment says.
_NO_PROXIES = {"http": None, "https": None, "all": None}


class AnswerTooLargeError(Exception):
    """More of an answer came than is read."""


class Exchange:
    """
    One request, made ready to be sent once, and what is made of its answer or of its failure.

    :param client_request_id: sent as ``x-client-request-id``.
    :param within: seconds that shorten the endpoint's timeouts where those are longer.
    :param authorization: what goes into the ``Authorization`` header, or None for no such header.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        request: Request | TokenRequest,
        *,
        client_request_id: str,
        within: float,
        authorization: Authorization | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._client_request_id = client_request_id
        self._within = within
        self._authorization = authorization
        carried = () if authorization is None else (authorization.secret,)
        self._secrets: Sequence[Secret] = (*carried, *secrets_in(request.body), *endpoint.secrets)
        #: What the caller is handling, and so the last context of every error from here on.
        self._handled_before = sys.exc_info()[1]
        self.request = request

    @property
    def origin(self) -> str:
        """What requests of the same way have in common: the base URL; of a request for a token its whole URL."""
        return self.request.url if isinstance(self.request, TokenRequest) else self._endpoint.base_url

    @property
    def path(self) -> str:
        """What follows the origin, encoded and without a slash before it, or nothing."""
        return self.request.path if isinstance(self.request, Request) else ""

    @property
    def stays_here(self) -> bool:
        """Whether no proxy may carry it: the service is on this machine's own link."""
        return isinstance(self.request, TokenRequest) and self.request.local

    @property
    def proxies(self) -> dict[str, Any]:
        """Proxy URL by scheme, None for none; what is not in it is left to the environment."""
        if self.stays_here:
            return dict(_NO_PROXIES)
        if self._endpoint.proxies:
            return dict(self._endpoint.proxies)
        # No proxy of the environment leads to this machine.
        return dict(_NO_PROXIES) if self._endpoint.is_local else {}

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters, not encoded."""
        return self.request.query if isinstance(self.request, Request) else {}

    @property
    def timeout_connect(self) -> float:
        """Seconds that setting up a connection may take."""
        seconds = min(self._endpoint.timeout_connect, self._within)
        return min(seconds, _LOCAL_CONNECT_TIMEOUT) if self.stays_here else seconds

    @property
    def timeout_read(self) -> float:
        """Seconds that the server may be silent, and that an answer may take once it has begun."""
        own = self.request.timeout_read if isinstance(self.request, Request) else None
        return min(self._endpoint.timeout_read if own is None else own, self._within)

    @property
    def authorization(self) -> str | None:
        """What the ``Authorization`` header holds, or None for no such header."""
        if self._authorization is None:
            return None
        return f"{self._authorization.scheme} {self._authorization.secret.reveal()}"

    @property
    def headers(self) -> dict[str, str]:
        """All headers that are ours to set, but for ``Authorization``."""
        headers = {"Accept": "application/json", "x-client-request-id": self._client_request_id}
        if self.request.body is not None:
            headers["Content-Type"] = "application/json"
        if isinstance(self.request, Request):
            return {**headers, **self._endpoint.headers}
        if self.request.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        # Only who asks: the folder and the like are for the API.
        own = {name: value for name, value in self._endpoint.headers.items() if name.lower() == "user-agent"}
        return {**headers, **own, **self.request.headers}

    @property
    def body(self) -> bytes | None:
        """What is sent, with the secrets in it."""
        if self.request.body is None:
            return None
        if isinstance(self.request, Request):
            return json.dumps(self.request.body, allow_nan=False).encode()
        revealed = SecretObject(
            (name, value.reveal() if isinstance(value, Secret) else value) for name, value in self.request.body.items()
        )
        return (urlencode(revealed) if self.request.form else json.dumps(revealed)).encode()

    def response(self, status: int, headers: dict[str, str], body: bytes, received_at: float) -> Response:
        """
        Return an answer as it is read, its headers without the secrets that a server may hand back.

        :param headers: names in lower case.
        """
        values = "\n".join(headers.values())
        if _redact(values, self._secrets) != values:
            headers = {name: _redact(value, self._secrets) for name, value in headers.items()}
        return Response(status, headers, body, received_at)

    def read(self, response: Response, parse: Callable[[Response], T]) -> T:
        """
        Return what an answer means, without the secrets that a server may hand back.

        :raises YandexAIStudioError: what ``parse`` raises, and ``InvalidResponseError`` where it breaks.
        """
        if response.status < 300 and (body := _redact_long(response.body, self._secrets)) != response.body:
            response = replace(response, body=body)
        problem = ""
        try:
            return parse(response)
        except YandexAIStudioError as error:
            error.redact(lambda text: _redact(text, self._secrets))
            raise
        except Exception as error:  # noqa: BLE001  # what cannot be read says nothing of what was done
            problem = type(error).__name__
        raise InvalidResponseError(f"HTTP {response.status}: the answer cannot be read ({problem})")

    def cannot_be_made(self, error: Exception) -> ConfigurationError:
        """Return what it means that the library refused the request before it used a connection."""
        return ConfigurationError(
            f"{type(error).__name__}: the request to {self._where} cannot be made; check its URL, proxies and CA "
            "certificates, those of the environment included"
        )

    def no_answer(self, error: Exception, *, applied: bool | None) -> APIConnectionError:
        """
        Return what it means that no answer came.

        :param applied: ``False`` if not a byte of the request left this machine, else ``None``.
        """
        reason = _redact(_innermost(error, self._handled_before), self._secrets)
        return APIConnectionError(f"no answer from {self._where}: {reason}", applied=applied)

    def too_slow(self, *, applied: bool | None) -> APITimeoutError:
        """Return what it means that no connection, or no whole answer, came in time. As :meth:`no_answer`."""
        if applied is False:
            return APITimeoutError(f"no connection to {self._where} in {self.timeout_connect:g} s", applied=False)
        return APITimeoutError(f"no whole answer from {self._where} in {self.timeout_read:g} s", applied=None)

    def too_large(self) -> InvalidResponseError:
        """Return what it means that an answer is larger than ``MAX_ANSWER_BYTES``."""
        error = InvalidResponseError(f"the answer of {self._where} is larger than {MAX_ANSWER_BYTES:,} bytes")
        error.transient, error.advice = False, "The same request will fail again"
        return error

    @property
    def _where(self) -> str:
        return self.request.url if isinstance(self.request, TokenRequest) else self._endpoint.base_url


def check_size(body: bytearray) -> None:
    """
    Check what has come of an answer so far, decompressed.

    :raises AnswerTooLargeError: it is more than ``MAX_ANSWER_BYTES``.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise AnswerTooLargeError


def _redact_long(body: bytes, secrets: Sequence[Secret]) -> bytes:
    """Take secrets out of data; but not short ones, such as a local server's ``test``: data may hold that word."""
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_IN_DATA:
            body = secret.redact(body)
    return body


def _redact(text: AnyStr, secrets: Sequence[Secret]) -> AnyStr:
    """Take secrets out of what the server sent, as some servers quote the header that they refuse."""
    for secret in secrets:
        text = secret.redact(text)
    return text


def _innermost(error: BaseException, handled_before: BaseException | None) -> str:
    """
    Return the text of the first cause: the layers above it repeat it with addresses of objects.

    :param handled_before: what had gone wrong before, and is no cause.
    """
    while (inner := error.__cause__ or error.__context__) not in (None, handled_before):
        error = inner
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio puts words of its own in the place of it
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
