"""One emulated service: what it stores, what went over the wire, and what is to go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_yandex_conv.emulator.faults import FaultPlan
from airflow_provider_yandex_conv.emulator.holds import Holds
from airflow_provider_yandex_conv.emulator.issuer import Issuer
from airflow_provider_yandex_conv.emulator.recorder import Recorder
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
    faults: FaultPlan = field(default_factory=FaultPlan)
    holds: Holds = field(default_factory=Holds)
    recorder: Recorder = field(default_factory=Recorder)
    issuer: Issuer = field(default_factory=Issuer)

    def reset(self) -> None:
        """Go back to how it started."""
        self.state.reset()
        self.faults.reset()
        self.holds.release()
        self.recorder.reset()
        self.issuer.reset()
