"""
One HTTP exchange with ``aiohttp``: a request goes out once, an answer or an error comes back.

The only module that imports ``aiohttp``; the async client imports it when the first call is sent.

What it takes care of, each a trap of the library:

- a request is sent once: aiohttp sends a ``GET`` or ``DELETE`` again when a connection that was kept open is closed
- a connection that was kept open is not used where something has come over it since: aiohttp would take a late answer
  to an earlier request for that of the next one
- redirects are not followed, as a ``POST`` answered with 307 would be sent again
- the URL is sent as it is, and not encoded anew, as ids are opaque
- proxies and certificates of the environment are followed by the rules of ``requests``, ``.netrc`` and cookies are not
- an error tells whether a byte of the request may have left, as only then can it have been applied
- an error of the library is not kept as a cause: it holds the request, and that the credential
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakSet

import aiohttp
from urllib3.util import wait_for_read
from yarl import URL

from airflow_provider_yandex_conv.api.wire import Request, Response, T, TokenRequest
from airflow_provider_yandex_conv.auth.credential import Authorization
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import YandexAIStudioError
from airflow_provider_yandex_conv.exchange import AnswerTooLargeError, Exchange, check_size
from airflow_provider_yandex_conv.routes import Route, Routes, tls_context, warn_if_unverified

#: Seconds for which a connection is kept open: longer than the longest wait between two looks at a response.
_KEEP_OPEN = 60.0
#: What aiohttp is not to add to a request without a body; it adds nothing to others, nor to a GET.
_NO_TYPE = ("Content-Type",)
#: The longest line of the head of an answer, in bytes, as in the standard library.
_MAX_LINE = 65_536


class AsyncTransport:
    """
    Sends requests to one endpoint, and to services that issue tokens for it, over connections that are kept open.

    Made and used within one event loop.

    :param endpoint: where to, and how.
    :param clock: gives Unix seconds.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._routes = Routes(verify=endpoint.verify)
        self._tls: dict[bool | str, Any] = {}
        self._session = aiohttp.ClientSession(
            connector=_WatchedConnector(
                limit=0, keepalive_timeout=_KEEP_OPEN, resolver=aiohttp.resolver.ThreadedResolver()
            ),
            response_class=_WatchedResponse,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )

    async def exchange(
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
        exchange = Exchange(
            self._endpoint, request, client_request_id=client_request_id, within=within, authorization=authorization
        )
        return exchange.read(await self._send_or_fail(exchange), parse)

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._session.close()

    async def _send_or_fail(self, exchange: Exchange) -> Response:
        watch = _Watch()
        token = _watch.set(watch)
        try:
            return await self._send(exchange)
        except Exception as error:  # noqa: BLE001  # whichever it is: once a byte has left, the outcome is unknown
            failure = _failure(error, exchange, watch)
        finally:
            _watch.reset(token)
        # Raised out here so that the library's error, which holds the request and its headers, is no context of it.
        raise failure

    async def _send(self, exchange: Exchange) -> Response:
        route = self._routes.find(exchange)
        warn_if_unverified(route)
        timeout_read = exchange.timeout_read
        answer = await self._session.request(
            exchange.request.method,
            URL(route.url_of(exchange), encoded=True),
            data=exchange.body,
            headers=_headers_of(exchange),
            skip_auto_headers=_NO_TYPE if exchange.request.body is None and exchange.request.method != "GET" else None,
            allow_redirects=False,
            proxy=route.proxy,
            ssl=await self._tls_for(route),
            timeout=_timeout(exchange.timeout_connect, timeout_read),
        )
        try:
            body = await _read_whole(answer.content, deadline=time.monotonic() + timeout_read)
        finally:
            answer.close()  # its connection, unless the answer came whole and gave it back
        return exchange.response(answer.status, _joined(answer.raw_headers), body, self._clock())

    async def _tls_for(self, route: Route) -> Any:
        if not route.is_secure:
            return True
        if route.verify not in self._tls:
            self._tls[route.verify] = await asyncio.to_thread(tls_context, route.verify)
        return self._tls[route.verify]


def _headers_of(exchange: Exchange) -> dict[str, str]:
    authorization = exchange.authorization
    return exchange.headers if authorization is None else {**exchange.headers, "Authorization": authorization}


@lru_cache(maxsize=8)
def _timeout(connect: float, read: float) -> aiohttp.ClientTimeout:
    # The total ends what the others do not: a request that nobody takes off the wire, a head that never ends.
    return aiohttp.ClientTimeout(total=connect + 2 * read, connect=connect, sock_read=read)


async def _read_whole(stream: aiohttp.StreamReader, deadline: float) -> bytes:
    """Read a body that must be complete by ``deadline``: each read has a time limit of its own, the whole has none."""
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        check_size(body)
        if time.monotonic() > deadline:
            raise asyncio.TimeoutError
    return bytes(body)


def _joined(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Return headers as text, their names in lower case; such as have come several times as one."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _failure(error: Exception, exchange: Exchange, watch: _Watch) -> YandexAIStudioError:
    if watch.sent is None:
        return exchange.cannot_be_made(error)
    if isinstance(error, AnswerTooLargeError):
        return exchange.too_large()
    applied = None if watch.sent else False
    if isinstance(error, asyncio.TimeoutError):
        return exchange.too_slow(applied=applied)
    return exchange.no_answer(_plainly(error), applied=applied)


def _plainly(error: Exception) -> Exception:
    """Return an error in words of ours where those of aiohttp are several lines that quote the server."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _NoAnswerError(f"the proxy opened no tunnel: HTTP {error.status}")
    if isinstance(error, aiohttp.ClientResponseError):
        return _NoAnswerError("the answer is not HTTP")
    if isinstance(error, aiohttp.ClientPayloadError):
        return _NoAnswerError("the answer did not come whole, or cannot be decompressed")
    return error


class _NoAnswerError(Exception):
    """No answer came."""


@dataclass(eq=False, slots=True)
class _Watch:
    """
    What was seen of one exchange.

    :param sent: None until a connection is asked for, and True once there is one.
    :param failure: why no answer came over it.
    """

    sent: bool | None = None
    failure: Exception | None = None


_watch: ContextVar[_Watch] = ContextVar("airflow_provider_yandex_conv_async_watch")


class _WatchedResponse(aiohttp.ClientResponse):
    """Notes why no answer came, which aiohttp forgets where it goes on to send a request again."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        try:
            return await super().start(connection)
        except Exception as error:
            _watch.get().failure = error
            raise


class _WatchedConnector(aiohttp.TCPConnector):
    """
    Gives one connection to each exchange, and notes when: what fails before that has sent nothing of the request.

    What it takes to set up a connection is all in here, handshakes and the tunnel of a proxy included.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._used: WeakSet[Any] = WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> Any:
        watch = _watch.get()
        if watch.sent:  # aiohttp is about to send the request again
            raise _NoAnswerError from watch.failure
        watch.sent = False
        connection = await super().connect(req, traces, timeout)
        while connection.protocol in self._used and not _is_idle(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        self._used.add(connection.protocol)
        watch.sent = True
        return connection


def _is_idle(connection: Any) -> bool:
    """Whether a connection that was kept open is as it was left: neither closed nor with anything to be read."""
    if connection.protocol.should_close:
        return False
    sock = connection.transport.get_extra_info("socket")
    return sock is None or not wait_for_read(sock, timeout=0)
