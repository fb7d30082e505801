"""What all errors of this provider have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class YandexAIStudioError(Exception):
    """
    Base of all errors of this provider.

    :param message: what happened, one sentence without its full stop.
    :param request_id: the server's ``x-request-id``.
    :param server_trace_id: the server's ``x-server-trace-id``.
    :param client_request_id: the ``x-client-request-id`` that was sent with the request.
    :param retry_after: seconds that the server asks to wait before the next request.
    :param gave_up: why no further attempt was made, where one could have been.
    """

    #: Whether the same request can succeed later.
    transient: bool = False
    #: Whether the request changed anything: ``False`` is certainly not, ``None`` is unknown, ``True`` is certainly.
    applied: bool | None = False
    #: What to do, or what a retry will do.
    advice: str = ""
    #: Id of the Airflow connection that was used.
    connection_id: str | None = None
    #: ``x-client-request-id`` of earlier attempts of the same call that may have been applied, oldest first.
    lost_client_request_ids: tuple[str, ...] = ()
    #: Ids of the items that earlier requests of the same operation stored, oldest first.
    stored_item_ids: tuple[str, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        server_trace_id: str | None = None,
        client_request_id: str | None = None,
        retry_after: float | None = None,
        gave_up: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        self.server_trace_id = server_trace_id
        self.client_request_id = client_request_id
        self.retry_after = retry_after
        self.gave_up = gave_up

    @property
    def final(self) -> bool:
        """Whether no later try of the task can mend it: somebody must act on the DAG or the connection."""
        return False

    def __str__(self) -> str:
        details = ", ".join(f"{name} {value}" for name, value in self._details().items() if value is not None)
        what = f"{self.message} ({details})" if details else self.message
        return " ".join(f"{part.rstrip('.')}." for part in self._parts(what) if part)

    def _parts(self, what: str) -> tuple[str | None, ...]:
        return what, self._fate(), self._progress(), self.gave_up, self.advice

    def _details(self) -> dict[str, Any]:
        return {
            "connection": self.connection_id,
            "x-request-id": self.request_id,
            "x-server-trace-id": self.server_trace_id,
            "x-client-request-id": self.client_request_id,
        }

    def _progress(self) -> str | None:
        """Say what was done before."""
        said = []
        if self.lost_client_request_ids:
            lost = ", ".join(self.lost_client_request_ids)
            said.append(
                f"An earlier attempt may have been applied, and cannot be found again: x-client-request-id {lost}"
            )
        if self.stored_item_ids:
            said.append(
                f"{len(self.stored_item_ids)} items were stored before, the last of them {self.stored_item_ids[-1]}"
            )
        return ". ".join(said) or None

    def _fate(self) -> str:
        """Say what became of the remote thing."""
        if self.applied is None:
            return "Whether the request was applied is unknown"
        return "The last attempt changed nothing" if self.lost_client_request_ids else "Nothing was changed"

    def redact(self, replace: Callable[[str], str]) -> None:
        """Replace what is secret in all that a server had a hand in."""
        for name in ("message", "code", "body", "request_id", "server_trace_id"):
            text = getattr(self, name, None)
            if isinstance(text, str):
                setattr(self, name, replace(text))
        self.args = (self.message,)
