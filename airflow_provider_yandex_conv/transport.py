"""
One HTTP exchange with ``requests``: a request goes out once, an answer or an error comes back.

The only module that imports ``requests``; the client imports it when the first call is sent, as it costs more time than
all the rest of the package.

What it takes care of, each a trap of the library:

- the credential travels through ``auth=``, as a ``.netrc`` entry replaces an ``Authorization`` header
- redirects are not followed, as a ``POST`` answered with 307 would be sent again
- ``verify`` is given per request, as an environment variable overrides that of the session
- urllib3 retries nothing behind our back
- an error tells whether a byte of the request has left, as only then can it have been applied
- an error of the library is not kept as a cause: it holds the request, and that the credential
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, AnyStr
from urllib.parse import urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

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

_CHUNK_BYTES = 65_536
#: The shortest secret that is looked for in data, in characters. Keys and tokens of the vendor have 40 and more.
_MIN_SECRET_IN_DATA = 12
#: Seconds in which a service on this machine's own link accepts a connection, where there is one.
_LOCAL_CONNECT_TIMEOUT = 2.0
#: No proxy for any URL, whatever the environment says.
_NO_PROXIES = {"http": None, "https": None, "all": None}


class Transport:
    """
    Sends requests to one endpoint, and to services that issue tokens for it, over connections that are kept open.

    :param endpoint: where to, and how.
    :param clock: gives Unix seconds.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._session = requests.Session()
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, _WatchedAdapter(max_retries=0))

    def exchange(
        self,
        request: Request | TokenRequest,
        parse: Callable[[Response], T],
        *,
        client_request_id: str,
        within: float,
        authorization: Authorization | None = None,
    ) -> T:
        """
        Send a request once and return what its answer means.

        :param parse: reads an answer of any status, or raises the error that it stands for.
        :param client_request_id: sent as ``x-client-request-id``.
        :param within: seconds that shorten the endpoint's timeouts where those are longer.
        :param authorization: what goes into the ``Authorization`` header, or None for no such header.
        :raises ConfigurationError: the request cannot be made; no connection was used.
        :raises APITimeoutError: no connection, or no whole answer, in time.
        :raises APIConnectionError: any other failure to get an answer.
        :raises YandexAIStudioError: what ``parse`` raises, and ``InvalidResponseError`` where it breaks.
        """
        timeouts = self._timeouts(request, within)
        carried = () if authorization is None else (authorization.secret,)
        secrets = (*carried, *secrets_in(request.body), *self._endpoint.secrets)
        response = self._send_or_fail(request, client_request_id, timeouts, authorization, secrets)
        return _read(response, parse, secrets)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def _send_or_fail(
        self,
        request: Request | TokenRequest,
        client_request_id: str,
        timeouts: tuple[float, float],
        authorization: Authorization | None,
        secrets: Sequence[Secret],
    ) -> Response:
        watch = _Watch()
        _watch.set(watch)
        try:
            return self._send(request, client_request_id, timeouts, authorization, secrets)
        except Exception as error:  # noqa: BLE001  # whichever it is: once a byte has left, the outcome is unknown
            failure = self._failure(error, request, watch, timeouts, secrets)
        # Raised out here so that the library's error, which holds the request and its headers, is no context of it.
        raise failure

    def _send(
        self,
        request: Request | TokenRequest,
        client_request_id: str,
        timeouts: tuple[float, float],
        authorization: Authorization | None,
        secrets: Sequence[Secret],
    ) -> Response:
        prepared = self._session.prepare_request(
            requests.Request(
                request.method,
                request.url if isinstance(request, TokenRequest) else f"{self._endpoint.base_url}/{request.path}",
                params=request.query if isinstance(request, Request) else None,
                data=_encoded(request),
                headers=self._headers(request, client_request_id),
                auth=_Authorizer(authorization),
            )
        )
        url = str(prepared.url)
        verify = self._endpoint.verify
        settings = self._session.merge_environment_settings(
            url, proxies=self._proxies(request), stream=True, verify=verify, cert=None
        )
        # By the adapter, as the session would read and follow a redirect, if only to say where it leads.
        with self._session.get_adapter(url).send(
            prepared,
            timeout=timeouts,
            **settings,  # type: ignore[arg-type]  # as requests itself hands them on
        ) as answer:
            body = _read_whole(answer.raw, deadline=time.monotonic() + timeouts[1])
        return Response(
            status=answer.status_code,
            headers={name.lower(): _redact(value, secrets) for name, value in answer.headers.items()},
            body=body,
            received_at=self._clock(),
        )

    def _timeouts(self, request: Request | TokenRequest, within: float) -> tuple[float, float]:
        connect = self._endpoint.timeout_connect
        if isinstance(request, TokenRequest) and request.local:
            connect = min(connect, _LOCAL_CONNECT_TIMEOUT)
        return min(connect, within), min(self._endpoint.timeout_read, within)

    def _headers(self, request: Request | TokenRequest, client_request_id: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "x-client-request-id": client_request_id}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if isinstance(request, Request):
            return {**headers, **self._endpoint.headers}
        if request.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        # Only who asks: the folder and the like are for the API.
        own = {name: value for name, value in self._endpoint.headers.items() if name.lower() == "user-agent"}
        return {**headers, **own, **request.headers}

    def _proxies(self, request: Request | TokenRequest) -> dict[str, Any]:
        if isinstance(request, TokenRequest) and request.local:
            return dict(_NO_PROXIES)
        if self._endpoint.proxies:
            return dict(self._endpoint.proxies)
        # No proxy of the environment leads to this machine.
        return dict(_NO_PROXIES) if self._endpoint.is_local else {}

    def _failure(
        self,
        error: Exception,
        request: Request | TokenRequest,
        watch: _Watch,
        timeouts: tuple[float, float],
        secrets: Sequence[Secret],
    ) -> YandexAIStudioError:
        where = request.url if isinstance(request, TokenRequest) else self._endpoint.base_url
        if watch.sent is None and not isinstance(error, requests.ConnectionError | requests.Timeout):
            return ConfigurationError(
                f"{type(error).__name__}: the request to {where} cannot be made; check its URL, proxies and CA "
                "certificates, those of the environment included"
            )
        applied = False if watch.sent is False else None
        if not isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
            reason = _redact(_innermost(error), secrets)
            return APIConnectionError(f"no answer from {where}: {reason}", applied=applied)
        if applied is False:
            return APITimeoutError(f"no connection to {where} in {timeouts[0]:g} s", applied=False)
        return APITimeoutError(f"no whole answer from {where} in {timeouts[1]:g} s", applied=None)


class _Authorizer:
    """Sets the header; also where there is none to set, as requests would look for one in a ``.netrc``."""

    def __init__(self, authorization: Authorization | None) -> None:
        self._authorization = authorization

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._authorization is not None:
            secret = self._authorization.secret.reveal()
            prepared.headers["Authorization"] = f"{self._authorization.scheme} {secret}"
        return prepared


def _encoded(request: Request | TokenRequest) -> bytes | None:
    if request.body is None:
        return None
    if isinstance(request, Request):
        return json.dumps(request.body, allow_nan=False).encode()
    revealed = SecretObject(
        (name, value.reveal() if isinstance(value, Secret) else value) for name, value in request.body.items()
    )
    return (urlencode(revealed) if request.form else json.dumps(revealed)).encode()


def _read(response: Response, parse: Callable[[Response], T], secrets: Sequence[Secret]) -> T:
    """Return what an answer means, without the secrets that a server may hand back."""
    if response.status < 300:
        response = replace(response, body=_redact_long(response.body, secrets))
    problem = ""
    try:
        return parse(response)
    except YandexAIStudioError as error:
        error.redact(lambda text: _redact(text, secrets))
        raise
    except Exception as error:  # noqa: BLE001  # what cannot be read says nothing of what was done
        problem = type(error).__name__
    raise InvalidResponseError(f"HTTP {response.status}: the answer cannot be read ({problem})")


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


def _read_whole(raw: urllib3.HTTPResponse, deadline: float) -> bytes:
    """Read a body that must be complete by ``deadline``: each read has a time limit of its own, the whole has none."""
    body = bytearray()
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if time.monotonic() > deadline:
            raise urllib3.exceptions.TimeoutError("the answer did not end")
    return bytes(body)


def _innermost(error: BaseException) -> str:
    """Return the text of the first cause: the layers above it repeat it with addresses of objects."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


@dataclass
class _Watch:
    """What a connection saw of one exchange. ``sent`` is None until a connection that is watched was used."""

    sent: bool | None = None


_watch: ContextVar[_Watch] = ContextVar("airflow_provider_yandex_conv_watch")


class _WatchedHTTPConnection(HTTPConnection):
    """Notes whether a byte of a request has left, as opposed to bytes of a handshake or of a proxy's tunnel."""

    _established = False

    def connect(self) -> None:
        watch = _watch.get()
        if watch.sent is None:
            watch.sent = False
        self._established = False
        super().connect()
        self._established = True

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()
        if self._established:
            _watch.get().sent = True
        super().send(data)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3's own
        """Refuse an interim answer: the final one would be taken for that of the next request on the connection."""
        answer = super().getresponse()
        if answer.status < 200:
            answer.close()
            self.close()
            raise urllib3.exceptions.ProtocolError(f"only an interim answer came: HTTP {answer.status}")
        return answer


class _WatchedHTTPSConnection(_WatchedHTTPConnection, HTTPSConnection):
    pass


class _WatchedHTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _WatchedHTTPConnection


class _WatchedHTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


class _WatchedAdapter(HTTPAdapter):
    """An adapter whose connections are watched; those to a SOCKS proxy are not, and count as unknown."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_watched_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            _use_watched_pools(manager)
        return manager


def _use_watched_pools(manager: urllib3.PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _WatchedHTTPPool, "https": _WatchedHTTPSPool}
