"""What goes wrong, when, and how often: set by a test through the control plane."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.emulator.errors import SHAPES
from airflow_provider_yandex_conv.emulator.knobs import from_json

#: The vendor's names of the endpoints, and ours of those that issue tokens.
OPERATIONS = (
    "createConversation",
    "getConversation",
    "updateConversation",
    "deleteConversation",
    "createConversationItems",
    "listConversationItems",
    "getConversationItem",
    "deleteConversationItem",
    "createResponse",
    "getResponse",
    "cancelResponse",
    "deleteResponse",
    "listInputItems",
    "createIamToken",
    "getMetadataToken",
    "exchangeToken",
)
_KINDS: Mapping[str, tuple[type, ...]] = {
    "times": (int,),
    "skip": (int,),
    "keep": (int,),
    "work": (int, float),
    "late": (int, float),
    "delay": (int, float),
    "status": (int,),
    "truncate": (int,),
    "trickle": (int, float),
}


@dataclass(kw_only=True)
class Fault:
    """
    One thing that goes wrong.

    :param operation: the vendor's name of an endpoint, such as ``createConversation``, or ``*`` for any.
    :param times: how many requests it meets; None for all from now on.
    :param skip: how many requests of that endpoint it lets pass first.
    :param applied: whether the server does what was asked before it fails to say so.
    :param keep: how many of the items in the request it takes in; None for all.
    :param hold: keep the request until it is released: ``before`` or ``after`` the server does what was asked.
    :param work: seconds that the server takes to do what was asked; it goes on when the client has gone.
    :param late: seconds after which the server does what was asked all the same, whatever it answers until then.
    :param delay: seconds before the answer.
    :param status: HTTP status of the answer in place of the real one; None keeps the real answer.
    :param shape: shape of the error body: one of ``openai``, ``rpc_status``, ``grpc``, ``flat``, ``oauth``,
        ``string``, ``bare_string``, ``html``, ``text``, ``empty``.
    :param message: text in the error body.
    :param code: code in the error body, in shapes that have one of their own.
    :param headers: further headers of the answer, such as ``Retry-After``.
    :param body: whole body of the answer, in place of any shape.
    :param truncate: how many bytes of the body are sent before the connection is closed.
    :param trickle: seconds between the bytes of the body.
    :param drop: close the connection without an answer: ``reset`` (RST) or ``close`` (FIN).
    """

    operation: str = "*"
    times: int | None = 1
    skip: int = 0
    applied: bool = False
    keep: int | None = None
    hold: str | None = None
    work: float = 0.0
    late: float | None = None
    delay: float = 0.0
    status: int | None = None
    shape: str = "openai"
    message: str = "injected by the emulator"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    truncate: int | None = None
    trickle: float | None = None
    drop: str | None = None

    def __post_init__(self) -> None:
        if self.operation not in {"*", *OPERATIONS}:
            raise ValueError(f"operation must be * or one of {', '.join(OPERATIONS)}, got {self.operation!r}")
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                raise ValueError(f"{name} must be a number, got {value!r}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status must be from 200 to 599, got {self.status}")
        if not all(isinstance(text, str) for pair in dict(self.headers).items() for text in pair):
            raise ValueError("headers must be texts")
        if self.shape not in SHAPES:
            raise ValueError(f"shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")
        if self.hold not in {None, "before", "after"}:
            raise ValueError(f"hold must be 'before' or 'after', got {self.hold!r}")
        if self.drop not in {None, "reset", "close"}:
            raise ValueError(f"drop must be 'reset' or 'close', got {self.drop!r}")

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> Fault:
        """
        Read a fault as the control plane takes it: an object with the parameters of this class.

        :raises ValueError: an unknown name, or a value that makes no sense.
        """
        return from_json(cls, "a fault", spec)

    @property
    def does_it(self) -> bool:
        """Whether the request is carried out: where the real answer is kept, or ``applied`` says so."""
        replaced = self.status is not None or self.body is not None or self.drop is not None
        return self.applied or not (replaced or self.late is not None)


@dataclass(kw_only=True)
class Quotas:
    """
    Limits beyond which the answer is 429; None for no limit. What they count begins anew with each of these.

    :param in_flight: requests under way at once.
    :param per_second: requests in any second.
    """

    in_flight: int | None = None
    per_second: float | None = None
    _under_way: int = field(default=0, init=False)
    _recent: deque[float] = field(default_factory=deque, init=False)

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> Quotas:
        """
        Read quotas as the control plane takes them.

        :raises ValueError: an unknown name, or a value that is no number.
        """
        numbers = all(value is None or type(value) in {int, float} for value in spec.values())
        if not numbers or not set(spec) <= {"in_flight", "per_second"}:
            raise ValueError("quotas are in_flight and per_second, each a number or null")
        return cls(**spec)

    def enter(self) -> str | None:
        """Count a request that came in; return the vendor's words if it is one too many."""
        now = time.monotonic()
        while self._recent and now - self._recent[0] >= 1:
            self._recent.popleft()
        self._under_way += 1
        if self.in_flight is not None and self._under_way > self.in_flight:
            return f"ai.emulator.requestsInFlight.count gauge quota limit exceed: allowed {self.in_flight} requests"
        if self.per_second is not None and len(self._recent) >= self.per_second:
            return f"ai.emulator.requestsPerSecond.rate rate quota limit exceed: allowed {self.per_second:g} requests"
        self._recent.append(now)
        return None

    def leave(self) -> None:
        """Count a request that was answered."""
        self._under_way -= 1


class FaultPlan:
    """The faults that are still to come, oldest first. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.quotas = Quotas()

    def add(self, fault: Fault) -> None:
        """Add a fault; one request meets one fault, that which was added first."""
        with self._lock:
            self._faults.append(fault)

    def reset(self) -> None:
        """Forget all faults and quotas."""
        with self._lock:
            self._faults.clear()
            self.quotas = Quotas()

    def take(self, operation: str) -> Fault | None:
        """Return the fault that a request meets, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.operation not in {"*", operation} or fault.times == 0:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
