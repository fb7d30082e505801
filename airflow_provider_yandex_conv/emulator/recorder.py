"""Every request that reached the server, so that a test can assert what was sent."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class RecordedRequest:
    """
    A request as it came in.

    :param operation: the vendor's name of the endpoint; None for a route that it does not have.
    :param headers: names in lower case. The ``Authorization`` header keeps its scheme only.
    :param body: the JSON body, or the text where it is none; None for no body.
    :param received_at: Unix seconds.
    :param status: of the answer; None while there is none, and where the connection was dropped.
    """

    operation: str | None
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    received_at: float
    status: int | None = None


class Recorder:
    """The requests in the order in which they came. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[RecordedRequest] = []

    def add(self, request: RecordedRequest) -> None:
        """Keep a request."""
        with self._lock:
            self._requests.append(request)

    def reset(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._requests.clear()

    def all(self) -> list[RecordedRequest]:
        """Return the requests so far."""
        with self._lock:
            return list(self._requests)

    def dump(self) -> list[dict[str, Any]]:
        """Return the requests so far as JSON objects."""
        return [asdict(request) for request in self.all()]
