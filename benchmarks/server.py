"""
A server that costs next to nothing, so that what is measured is the client: ``python server.py``, beside the benchmark.

It speaks as much of the API as the benchmarks ask for, and tells how much it was asked. Its first line is its base URL.

- ``POST /v1/conversations`` -> a conversation, after ``--latency``; 429 beyond ``--in-flight`` under way at once
- ``GET /v1/responses/<id>`` -> a response that ends ``--wait`` seconds after the last ``POST /reset``
- ``POST /reset`` forgets what was counted
- ``GET /counted`` -> ``{"requests": int, "refused": int, "created": int, "most_in_flight": int, "cpu_seconds": float}``
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import ssl
import time
from contextlib import suppress

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: 0c9e7a54-9a9f-4d53-8f5e-6d6f6a0f8a11\r\n"
    "x-server-trace-id: 5f1c3a7be2d94c08:8d0e6b1f3c5a7924:5f1c3a7be2d94c08:1\r\ncontent-length: {length}\r\n\r\n"
)


class Counted:
    """What came in since the last reset."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.began_at = time.monotonic()
        self.in_flight = self.requests = self.refused = self.created = self.most_in_flight = 0

    def enter(self) -> None:
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)


class Connection(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            method, path, _ = head.split(b" ", 2)
            self._server.answer(self, method, path)

    def send(self, status: str, body: dict) -> None:
        if not self._transport.is_closing():
            encoded = json.dumps(body).encode()
            self._transport.write(_HEAD.format(status=status, length=len(encoded)).encode() + encoded)


class Server:
    """All connections, and what is common to them."""

    def __init__(self, *, latency: float, in_flight: int | None, wait: float) -> None:
        self._latency, self._limit, self._wait = latency, in_flight, wait
        self._counted = Counted()

    def answer(self, connection: Connection, method: bytes, path: bytes) -> None:
        if path == b"/v1/conversations":
            self._create(connection)
        elif path.startswith(b"/v1/responses/"):
            self._counted.requests += 1
            over = time.monotonic() - self._counted.began_at >= self._wait
            connection.send("200 OK", self._response(path.rpartition(b"/")[2].decode(), over=over))
        elif path == b"/reset":
            self._counted = Counted()
            connection.send("200 OK", {})
        elif path == b"/counted":
            names = ("requests", "refused", "created", "most_in_flight")
            counted = {name: getattr(self._counted, name) for name in names}
            connection.send("200 OK", {**counted, "cpu_seconds": time.process_time()})
        else:
            connection.send("404 Not Found", {"error": {"message": f"no such route: {method.decode()}"}})

    def _create(self, connection: Connection) -> None:
        counted = self._counted
        if self._limit is not None and counted.in_flight >= self._limit:
            counted.requests += 1
            counted.refused += 1
            message = f"ai.requestsInFlight.count gauge quota limit exceed: allowed {self._limit} requests"
            error = {"grpcCode": 8, "httpCode": 429, "message": message, "httpStatus": "Too Many Requests"}
            connection.send("429 Too Many Requests", {"error": {**error, "details": []}})
            return
        counted.enter()
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._created, connection, counted)
        else:
            self._created(connection, counted)

    @staticmethod
    def _created(connection: Connection, counted: Counted) -> None:
        counted.in_flight -= 1
        counted.created += 1
        name = f"conv_{next(counted.numbers):032d}"
        created = {"id": name, "object": "conversation", "created_at": int(time.time())}
        connection.send("200 OK", {**created, "metadata": {"topic": "sales"}})

    @staticmethod
    def _response(name: str, *, over: bool) -> dict:
        text = {"type": "output_text", "text": "Good morning.", "annotations": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
        return {
            "id": name,
            "object": "response",
            "status": "completed" if over else "in_progress",
            "background": True,
            "created_at": 1767225600,
            "model": "gpt://b1g/yandexgpt",
            "output": [message] if over else [],
            "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13} if over else None,
        }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer to a create")
    parser.add_argument("--in-flight", type=int, help="creates that may be under way at once")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds that a response takes")
    parser.add_argument("--certificate", help="path of a certificate with its key, for https")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate)
    server = Server(latency=arguments.latency, in_flight=arguments.in_flight, wait=arguments.wait)
    listening = await asyncio.get_running_loop().create_server(
        lambda: Connection(server), "127.0.0.1", 0, ssl=context, backlog=10_000
    )
    port = listening.sockets[0].getsockname()[1]
    print(f"https://localhost:{port}/v1" if context else f"http://127.0.0.1:{port}/v1", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
