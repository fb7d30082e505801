"""What is said to the reader in place of a conversation."""

from __future__ import annotations

from airflow_provider_yandex_conv.exceptions import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    CredentialRefreshError,
    CredentialUnavailableError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    YandexAIStudioError,
)


class Notice(Exception):  # noqa: N818  # most of them are no errors
    """
    A page that says why there is no conversation to be seen.

    :param title: what is the matter, in a few words.
    :param text: what it means to the reader, and what to do.
    :param status: of the page; that of the conversation is what the page tells.
    :param ids: the ids by which the vendor's support finds the request.
    """

    def __init__(self, title: str, text: str, *, status: int = 200, ids: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.title = title
        self.text = text
        self.status = status
        self.ids = ids or {}


def of_error(error: YandexAIStudioError, conversation_id: str) -> Notice:
    """
    Return what a reader is told of an error.

    Not its own text: who may read a task's page need not be allowed to read where a connection leads to.
    """
    known = {
        "Conversation": conversation_id,
        "x-request-id": error.request_id,
        "x-client-request-id": error.client_request_id,
    }
    title, text = next((words for kind, words in _WORDS if isinstance(error, kind)), _UNREACHABLE)
    status = error.status if isinstance(error, APIStatusError) else None
    return Notice(title, text.format(status=status), ids={name: value for name, value in known.items() if value})


_LOG = "The log of Airflow's API server says more."
_REFUSED = (
    "The service refused the credentials",
    f"The key of this task's connection has expired, was deleted, or lacks a role or a billing account. {_LOG}",
)
_NO_CREDENTIALS = (
    "There are no credentials to read it with",
    (
        "The connection of this task has none that work on Airflow's API server, where this page is made. Files and "
        f"the service account of a machine may be at hand on workers only. {_LOG}"
    ),
)
_UNREACHABLE = (
    "The service cannot be reached",
    f"Airflow's API server got no answer in time. The conversation is not affected; reload in a minute. {_LOG}",
)
#: By kind of error, the first that fits.
_WORDS: tuple[tuple[type[YandexAIStudioError], tuple[str, str]], ...] = (
    (
        NotFoundError,
        (
            "This conversation does not exist any more",
            "It was deleted, or the folder of the connection is not the one that it was created in.",
        ),
    ),
    (CredentialUnavailableError, _NO_CREDENTIALS),
    (CredentialRefreshError, _NO_CREDENTIALS),
    (
        ConfigurationError,
        ("The connection of this task cannot be used", f"Somebody has to correct it in Airflow. {_LOG}"),
    ),
    (AuthenticationError, _REFUSED),
    (PermissionDeniedError, _REFUSED),
    (
        RateLimitError,
        ("The service is asked too much", "It takes no more requests of this folder just now. Reload in a minute."),
    ),
    (BadRequestError, ("The service did not understand", f"It refused to show this conversation. {_LOG}")),
    (
        APIStatusError,
        (
            "The service has a problem",
            "It answered with status {status}. The conversation is not affected; reload in a minute.",
        ),
    ),
)
