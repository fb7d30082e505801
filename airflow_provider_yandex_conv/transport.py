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
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, AnyStr

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_yandex_conv.api.wire import Request, Response
from airflow_provider_yandex_conv.auth.credential import Credential
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    YandexAIStudioError,
)

_CHUNK_BYTES = 65_536


class Transport:
    """
    Sends requests to one endpoint with one credential, over connections that are kept open.

    :param endpoint: where to, and how.
    :param credential: what goes into the ``Authorization`` header.
    """

    def __init__(self, endpoint: Endpoint, credential: Credential) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._session = requests.Session()
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, _WatchedAdapter(max_retries=0))

    def exchange(self, request: Request, *, client_request_id: str, within: float) -> Response:
        """
        Send a request once and return the answer, whatever its status.

        :param client_request_id: sent as ``x-client-request-id``.
        :param within: seconds that shorten the endpoint's timeouts where those are longer.
        :raises APITimeoutError: no connection, or no whole answer, in time.
        :raises APIConnectionError: any other failure to get an answer.
        """
        watch = _Watch()
        _watch.set(watch)
        timeouts = min(self._endpoint.timeout_connect, within), min(self._endpoint.timeout_read, within)
        try:
            return self._send(request, client_request_id, timeouts)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = self._failure(error, watch, timeouts)
        # Raised out here so that the library's error, which holds the request and its headers, is no context of it.
        raise failure

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def _send(self, request: Request, client_request_id: str, timeouts: tuple[float, float]) -> Response:
        answer = self._session.request(
            request.method,
            f"{self._endpoint.base_url}/{request.path}",
            params=request.query,
            data=None if request.body is None else json.dumps(request.body, allow_nan=False).encode(),
            headers=self._headers(request, client_request_id),
            auth=self._authorize,
            timeout=timeouts,
            verify=self._endpoint.verify,
            proxies=dict(self._endpoint.proxies) if self._endpoint.proxies else None,
            allow_redirects=False,
            stream=True,
        )
        with answer:
            body = _read_whole(answer.raw, deadline=time.monotonic() + timeouts[1])
        return Response(
            status=answer.status_code,
            headers={name.lower(): self._redact(value) for name, value in answer.headers.items()},
            body=self._redact(body),
            received_at=time.time(),
        )

    def _headers(self, request: Request, client_request_id: str) -> dict[str, str]:
        headers = {"Accept": "application/json", **self._endpoint.headers, "x-client-request-id": client_request_id}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._credential.secret is not None:
            prepared.headers["Authorization"] = f"{self._credential.scheme} {self._credential.secret.reveal()}"
        return prepared

    def _redact(self, text: AnyStr) -> AnyStr:
        """Take the secret out of what the server sent, as some servers quote the header that they refuse."""
        secret = self._credential.secret
        return text if secret is None else secret.redact(text)

    def _failure(self, error: Exception, watch: _Watch, timeouts: tuple[float, float]) -> YandexAIStudioError:
        reason = self._redact(_innermost(error))
        if isinstance(error, ValueError):  # requests' errors about URLs, proxies and headers, raised before sending
            return ConfigurationError(f"{type(error).__name__}: the request cannot be made; check host and proxies")
        applied = False if watch.sent is False else None
        if not isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
            return APIConnectionError(f"no answer from {self._endpoint.base_url}: {reason}", applied=applied)
        if applied is False:
            return APITimeoutError(f"no connection to {self._endpoint.base_url} in {timeouts[0]:g} s", applied=False)
        return APITimeoutError(f"no whole answer from {self._endpoint.base_url} in {timeouts[1]:g} s", applied=None)


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
