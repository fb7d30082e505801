"""
Everything that can go wrong, by who must act and by what became of the remote thing.

The names of the API family are those of the ``openai`` SDK. This package imports the standard library only and nothing
else of the provider: it is the bottom of the import graph.

The text of an error reads: what happened (code, request ids), what became of the remote thing, what to do or what a
retry will do. It never holds a request header or a credential.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.exceptions.base import YandexAIStudioError
from airflow_provider_yandex_conv.exceptions.batches import BatchIncompleteError, BatchInputError
from airflow_provider_yandex_conv.exceptions.responses import (
    ResponseCancelledError,
    ResponseError,
    ResponseFailedError,
    ResponseIncompleteError,
    ResponseRefusedError,
    ResponseSchemaError,
    ResponseTimeoutError,
)

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AmbiguousOutcomeError",
    "AuthenticationError",
    "BadRequestError",
    "BatchIncompleteError",
    "BatchInputError",
    "ConfigurationError",
    "ConflictError",
    "CredentialRefreshError",
    "CredentialUnavailableError",
    "InternalServerError",
    "InterruptedCallError",
    "InvalidResponseError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseCancelledError",
    "ResponseError",
    "ResponseFailedError",
    "ResponseIncompleteError",
    "ResponseRefusedError",
    "ResponseSchemaError",
    "ResponseTimeoutError",
    "TaskStateStoreError",
    "TaskSupersededError",
    "UnprocessableEntityError",
    "UnsupportedEndpointError",
    "YandexAIStudioError",
]


class ConfigurationError(YandexAIStudioError):
    """The author of the DAG or the owner of the connection must act. Raised before any network use."""

    @property
    def final(self) -> bool:
        """Always."""
        return True

    def _fate(self) -> str:
        return "Nothing was sent"


class CredentialUnavailableError(ConfigurationError):
    """This way to authenticate lacks its data here."""


class CredentialRefreshError(YandexAIStudioError):
    """
    A token could not be fetched, so the request was not sent.

    :param transient: whether fetching it can succeed later.
    """

    def __init__(self, message: str, *, transient: bool = False, **details: Any) -> None:
        super().__init__(message, **details)
        self.transient = transient
        self.advice = "A retry may succeed" if transient else "Check the credential of the connection"

    @property
    def final(self) -> bool:
        """Where fetching it cannot succeed later."""
        return not self.transient

    def _fate(self) -> str:
        return "The request itself was not sent"


class APIConnectionError(YandexAIStudioError):
    """
    No HTTP answer came.

    :param applied: ``False`` if not a byte of the request left this machine, else ``None``.
    """

    transient = True
    advice = "A retry may succeed"

    def __init__(self, message: str, *, applied: bool | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.applied = applied
        if applied is False:
            self.advice = "Check host, proxies and network of the connection; a retry may succeed"

    def _fate(self) -> str:
        return "Nothing was sent" if self.applied is False else super()._fate()


class APITimeoutError(APIConnectionError):
    """The connection or the answer took longer than allowed."""


class APIStatusError(YandexAIStudioError):
    """
    The server answered with a status that is not a success.

    :param status: HTTP status.
    :param code: the error code in the body, whatever its type there.
    :param body: the body as text, cut to 2,048 characters.
    """

    advice = "The same request will fail again"

    def __init__(
        self, message: str, *, status: int = 0, code: str | None = None, body: str = "", **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.status = status
        self.code = code
        self.body = body

    def _details(self) -> dict[str, Any]:
        return {"code": self.code, **super()._details()}

    @property
    def final(self) -> bool:
        """Unless it is transient. A thing that is not found may be there later."""
        return not self.transient and not isinstance(self, NotFoundError)


class BadRequestError(APIStatusError):
    """400: the server could not accept the request; its own text says why."""


class AuthenticationError(APIStatusError):
    """401: the credential was refused."""

    # Source: https://yandex.cloud/en/docs/ai-studio/troubleshooting/error-codes
    advice = (
        "Check the credential of the connection; a key that has expired or lacks the scope "
        "yc.ai.foundationModels.execute is refused like an unknown one"
    )


class PermissionDeniedError(APIStatusError):
    """403: the credential is known and may not do this."""

    # Source: https://yandex.cloud/en/docs/ai-studio/operations/agents/manage-context
    advice = (
        "Check roles or billing: the service account needs ai.assistants.editor and ai.languageModels.user on the "
        "folder, and the cloud's billing account must be active"
    )


class NotFoundError(APIStatusError):
    """404: no such conversation or item, or no such endpoint."""

    advice = "Check the id, and that the connection's host ends with the API's version, as in /v1"


class ConflictError(APIStatusError):
    """409: the server was changing the same thing; whether it kept this change is unknown."""

    transient = True
    applied = None
    advice = "A retry may succeed"


class UnprocessableEntityError(APIStatusError):
    """422: the request is well formed and its content is refused."""


class RateLimitError(APIStatusError):
    """429: a quota was used up; the request was refused before any work."""

    transient = True

    advice = "A retry may succeed once the quota allows it"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        if self.retry_after is not None:
            self.advice = f"The server asks to wait {self.retry_after:g} s before a retry"


class InternalServerError(APIStatusError):
    """5xx: the server failed, before or after it applied the request."""

    transient = True
    applied = None
    advice = "A retry may succeed"


class UnsupportedEndpointError(APIStatusError):
    """
    This server does not offer the endpoint: 405, 501, or a 404 for something that is there.

    The vendor marks some endpoints as not supported in some of its documents.
    """

    advice = "This server does not offer the endpoint, which some of the vendor's documents say; leave this step out"


class InvalidResponseError(YandexAIStudioError):
    """The server answered with a success that cannot be read."""

    transient = True
    applied = None
    advice = "A retry may succeed"


class AmbiguousOutcomeError(YandexAIStudioError):
    """
    A call that creates something was sent, and whether it was applied is not known.

    :param client_request_ids: the ``x-client-request-id`` of every attempt whose outcome is unknown, oldest first.
    """

    transient = True
    applied = None
    advice = "Sending it again may create one more"

    def __init__(self, message: str, *, client_request_ids: tuple[str, ...] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.client_request_ids = client_request_ids

    def _details(self) -> dict[str, Any]:
        lost = ", ".join(self.client_request_ids)
        return {**super()._details(), "x-client-request-id": lost or None}

    def _fate(self) -> str:
        return "It may have been applied"


class InterruptedCallError(YandexAIStudioError):
    """The task was told to stop, so no further attempt was made."""

    transient = True
    advice = "A retry of the task may succeed"


class PollTimeoutError(YandexAIStudioError):
    """
    What was waited for had not come about by the deadline.

    :param found: what the last look that did not fail has found; None where all have failed.
    """

    advice = "What is waited for may still come about; a retry with a later deadline goes on waiting"

    def __init__(self, message: str, *, found: Any = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.found = found

    def _fate(self) -> str:
        return ""


class TaskStateStoreError(YandexAIStudioError):
    """Airflow's task state store could not be read or written, so nothing that a later try must know of was done."""

    transient = True
    advice = "A retry may succeed; durable=False does without the store"

    def _fate(self) -> str:
        return "Nothing was sent"


class TaskSupersededError(YandexAIStudioError):
    """
    This try of the task is not the current one any more, or its supervisor has died: nobody will hear of its result.

    :param applied: whether what it tried to note was kept: ``False`` is certainly not, ``None`` is unknown.
    """

    advice = "The try that took over goes on without this one"

    def __init__(self, message: str, *, applied: bool | None = False, **details: Any) -> None:
        super().__init__(message, **details)
        self.applied = applied

    def _fate(self) -> str:
        return ""
