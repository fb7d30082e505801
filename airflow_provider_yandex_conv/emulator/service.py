"""One emulated service: what it stores, what went over the wire, and what is to go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.emulator.faults import FaultPlan
from airflow_provider_yandex_conv.emulator.holds import Holds
from airflow_provider_yandex_conv.emulator.issuer import Issuer
from airflow_provider_yandex_conv.emulator.recorder import RecordedRequest, Recorder
from airflow_provider_yandex_conv.emulator.response_state import Responses
from airflow_provider_yandex_conv.emulator.state import State


@dataclass
class Service:
    """
    All there is behind one port.

    :param api_key: the only key that is accepted, beside tokens that were issued here; None accepts any, and none.
    :param folder_id: the only folder that may be named; None accepts any, and none.
    """

    api_key: str | None = field(default=None, repr=False)
    folder_id: str | None = None
    state: State = field(default_factory=State)
    responses: Responses = field(init=False)
    faults: FaultPlan = field(default_factory=FaultPlan)
    holds: Holds[RecordedRequest] = field(default_factory=Holds)
    recorder: Recorder = field(default_factory=Recorder)
    issuer: Issuer = field(default_factory=Issuer)
    #: How often it was reset.
    resets: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.responses = Responses(self.state)

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is stored: the state's ``dump`` and that of the responses."""
        return {**self.state.dump(), **self.responses.dump()}

    def release(self) -> None:
        """Let the requests and the responses go that are held."""
        self.holds.release()
        self.responses.holds.release()

    def reset(self) -> None:
        """Go back to how it started."""
        self.resets += 1
        self.state.reset()
        self.faults.reset()
        self.holds.release()
        self.responses.reset()
        self.recorder.reset()
        self.issuer.reset()
