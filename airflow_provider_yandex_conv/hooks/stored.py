"""A copy of what is read of an Airflow connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class AirflowConnection(Protocol):
    """What is read of an Airflow connection; all versions have it."""

    conn_id: str
    host: str | None
    port: int | None
    password: str | None
    extra: str | None


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A copy of what is read that, unlike Airflow's own class, does not print its secrets in a traceback's locals."""

    conn_id: str
    host: str
    port: int | None
    password: str = field(repr=False)
    extra: str = field(repr=False)

    @classmethod
    def copy_of(cls, connection: AirflowConnection) -> StoredConnection:
        """Copy an Airflow connection; null becomes empty."""
        return cls(
            conn_id=connection.conn_id,
            host=connection.host or "",
            port=connection.port or None,
            password=connection.password or "",
            extra=connection.extra or "",
        )
