"""
One HTTP exchange with ``requests``: a request goes out once, an answer or an error comes back.

The only module that imports ``requests``; the client imports it when the first call is sent, as it costs more time than
all the rest of the package.

What it takes care of, each a trap of the library:

- there is no session: it would replace an ``Authorization`` header by an entry of ``.netrc``, follow redirects, where a
  ``POST`` answered with 307 is sent again, and read the environment anew for every request
- ``verify`` is decided on by us, as an environment variable overrides what was said
- urllib3 retries nothing behind our back
- an error tells whether a byte of the request has left, as only then can it have been applied
- an error of the library is not kept as a cause: it holds the request, and that the credential
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from airflow_provider_yandex_conv.api.wire import Request, Response, T, TokenRequest
from airflow_provider_yandex_conv.auth.credential import Authorization
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import InterruptedCallError, YandexAIStudioError
from airflow_provider_yandex_conv.exchange import AnswerTooLargeError, Exchange, check_size
from airflow_provider_yandex_conv.routes import Routes

_CHUNK_BYTES = 65_536
#: What a session adds to every request.
_HEADERS = dict(requests.utils.default_headers())


class Transport:
    """
    Sends requests to one endpoint, and to services that issue tokens for it, over connections that are kept open.

    :param endpoint: where to, and how.
    :param clock: gives Unix seconds.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._under_way: set[_Watch] = set()
        self._grace: float | None = None
        self._routes = Routes(verify=endpoint.verify)
        self._adapter = _WatchedAdapter(max_retries=0)

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
        :raises InterruptedCallError: :meth:`interrupt` was called, and nothing was sent.
        :raises APITimeoutError: no connection, or no whole answer, in time.
        :raises APIConnectionError: any other failure to get an answer.
        :raises YandexAIStudioError: what ``parse`` raises, and ``InvalidResponseError`` where it breaks.
        """
        exchange = Exchange(
            self._endpoint, request, client_request_id=client_request_id, within=within, authorization=authorization
        )
        return exchange.read(self._send_or_fail(exchange), parse)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._adapter.close()

    def interrupt(self, grace: float) -> None:
        """
        End the exchanges under way and all later ones, each with an error, unless they end by themselves.

        :param grace: seconds for the answers to what was sent: an answer that comes says what became of it.
        :raises InterruptedCallError: in a signal handler that interrupts an exchange of which nothing has left yet.
            Raised from there, it ends the setting up of the connection, which nothing else can.
        """
        self._grace = grace  # first: what is not under way yet sees it when it begins
        under_way = list(self._under_way)
        _cut_later(under_way, grace)
        own = _watch.get(None)
        if own in under_way and not own.sent:
            raise InterruptedCallError("told to stop before the request was sent")

    def _send_or_fail(self, exchange: Exchange) -> Response:
        watch = _Watch()
        _watch.set(watch)
        self._under_way.add(watch)
        if self._grace is not None:
            _cut_later([watch], self._grace)
        try:
            return self._send(exchange)
        except Exception as error:  # noqa: BLE001  # whichever it is: once a byte has left, the outcome is unknown
            failure = self._failure(error, exchange, watch)
        finally:
            self._under_way.discard(watch)
            watch.connection = None  # the next exchange may use it, which is not to be cut for this one
        # Raised out here so that the library's error, which holds the request and its headers, is no context of it.
        raise failure

    def _send(self, exchange: Exchange) -> Response:
        route = self._routes.find(exchange)
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=exchange.request.method,
            url=route.url_of(exchange),
            headers={**_HEADERS, **exchange.headers},
            data=exchange.body,
            auth=_Authorizer(exchange),
        )
        with self._adapter.send(
            prepared,
            stream=True,
            timeout=(exchange.timeout_connect, exchange.timeout_read),
            verify=route.verify,
            proxies=dict(route.proxies),
        ) as answer:
            body = _read_whole(answer.raw, deadline=time.monotonic() + exchange.timeout_read)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return exchange.response(answer.status_code, headers, body, self._clock())

    @staticmethod
    def _failure(error: Exception, exchange: Exchange, watch: _Watch) -> YandexAIStudioError:
        if isinstance(error, InterruptedCallError) and not watch.sent:
            return InterruptedCallError(error.message)  # anew, as a traceback leads to the request
        if watch.sent is None and not isinstance(error, requests.ConnectionError | requests.Timeout):
            return exchange.cannot_be_made(error)
        if isinstance(error, AnswerTooLargeError):
            return exchange.too_large()
        applied = False if watch.sent is False else None
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
            return exchange.too_slow(applied=applied)
        return exchange.no_answer(error, applied=applied)


class _Authorizer:
    """Sets the header; also where there is none to set, as requests would look for one in the URL."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        authorization = self._exchange.authorization
        if authorization is not None:
            prepared.headers["Authorization"] = authorization
        return prepared


def _read_whole(raw: urllib3.HTTPResponse, deadline: float) -> bytes:
    """Read a body that must be complete by ``deadline``: each read has a time limit of its own, the whole has none."""
    body = bytearray()
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        check_size(body)
        if time.monotonic() > deadline:
            raise urllib3.exceptions.TimeoutError("the answer did not end")
    return bytes(body)


@dataclass(eq=False)
class _Watch:
    """What a connection saw of one exchange. ``sent`` is None until a connection was used."""

    sent: bool | None = None
    connection: Any = None

    def cut(self) -> None:
        """Let the thread that waits for an answer wait no more. From any thread."""
        connection = self.connection
        # Below TLS: a thread is in the middle of reading what TLS holds, and TLS within TLS is no socket at all.
        below = getattr(connection, "socket", connection)
        if isinstance(below, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(below, socket.SHUT_RDWR)


def _cut_later(watches: Sequence[_Watch], seconds: float) -> None:
    if watches:
        timer = threading.Timer(seconds, _cut, [watches])
        timer.daemon = True
        timer.start()


def _cut(watches: Iterable[_Watch]) -> None:
    for watch in watches:
        watch.cut()


_watch: ContextVar[_Watch] = ContextVar("airflow_provider_yandex_conv_watch")


class _Watched:
    """
    A connection that notes whether a byte of a request has left, as opposed to bytes of a handshake or of a proxy.

    To be joined with any kind of connection of urllib3, such as one through a SOCKS proxy.
    """

    _established = False

    def connect(self) -> None:
        watch = _watch.get()
        if watch.sent is None:
            watch.sent = False
        self._established = False
        super().connect()  # type: ignore[misc]  # of the connection that it is joined with
        self._established = True

    def send(self, data: Any) -> None:
        connection: Any = self
        if connection.sock is None and connection.auto_open:
            self.connect()
        if self._established:
            watch = _watch.get()
            watch.sent, watch.connection = True, connection.sock
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> urllib3.HTTPResponse:
        """Refuse an interim answer: the final one would be taken for that of the next request on the connection."""
        connection: Any = self
        answer: urllib3.HTTPResponse = super().getresponse()  # type: ignore[misc]
        if answer.status < 200:
            answer.close()
            connection.close()
            raise urllib3.exceptions.ProtocolError(f"only an interim answer came: HTTP {answer.status}")
        return answer


class _WatchedAdapter(HTTPAdapter):
    """An adapter all of whose connections are watched."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_watched_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_watched_pools(manager)
        return manager


def _use_watched_pools(manager: urllib3.PoolManager) -> None:
    manager.pool_classes_by_scheme = {scheme: _watched(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}


@cache
def _watched(pool: type[Any]) -> type[Any]:
    """Return a kind of pool like this one, with connections that are watched."""
    connection = pool.ConnectionCls
    if issubclass(connection, _Watched):
        return pool
    kind = type(f"Watched{connection.__name__}", (_Watched, connection), {})
    return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": kind})
