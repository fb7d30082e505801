"""Answers that break the rules of HTTP on purpose, and the access to the connection which that takes."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_yandex_conv.emulator.faults import Fault

#: The connections that are open, by the addresses of server and client, as a scope names them.
_connections: dict[tuple[Any, Any], asyncio.Transport] = {}


class ConnectionKeepingProtocol(H11Protocol):
    """Keeps the connection of each request where an answer that breaks the rules can find it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        _connections[self.server, self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _connections.pop((self.server, self.client), None)
        super().connection_lost(exc)


class Dropped(Response):
    """
    No answer: the connection is closed.

    :param reset: with RST, as a host does that crashed, or else with FIN.
    """

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send  # nothing is answered
        await _cut(scope, receive, reset=self._reset)


class Broken(Response):
    """An answer whose body is cut short, or comes byte by byte."""

    def __init__(self, whole: Response, fault: Fault) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.body)[: self._fault.truncate]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        step = (len(body) or 1) if self._fault.trickle is None else 1
        for start in range(0, len(body), step):
            await send({"type": "http.response.body", "body": body[start : start + step], "more_body": True})
            await asyncio.sleep(self._fault.trickle or 0)
            if (scope["server"], scope["client"]) not in _connections:
                return  # nobody listens any more
        if self._fault.truncate is not None:
            await _cut(scope, receive, reset=False)
        else:
            await send({"type": "http.response.body", "body": b""})


async def _cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    transport = _connections.get((scope["server"], scope["client"]))
    if transport is None:
        return
    if reset:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass  # uvicorn complains of an answer without an end unless it knows that the connection is gone
