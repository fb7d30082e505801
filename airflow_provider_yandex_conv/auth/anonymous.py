"""No credential, for a server on this machine such as the emulator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No ``Authorization`` header."""

    secret: None = None
    scheme: str = ""
    description: str = "absence of a credential"
