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
    ids = {"Conversation": conversation_id}
    for name, value in (("x-request-id", error.request_id), ("x-client-request-id", error.client_request_id)):
        if value:
            ids[name] = value
    title, text = _words(error)
    return Notice(title, text, ids=ids)


def _words(error: YandexAIStudioError) -> tuple[str, str]:
    log = "The log of Airflow's API server says more."
    if isinstance(error, NotFoundError):
        return (
            "This conversation does not exist any more",
            "It was deleted, or the folder of the connection is not the one that it was created in.",
        )
    if isinstance(error, CredentialUnavailableError | CredentialRefreshError):
        return (
            "There are no credentials to read it with",
            "The connection of this task has none that work on Airflow's API server, where this page is made. Some are "
            f"at hand on workers only, such as files and the service account of a machine. {log}",
        )
    if isinstance(error, ConfigurationError):
        return "The connection of this task cannot be used", f"Somebody has to correct it in Airflow. {log}"
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return (
            "The service refused the credentials",
            "The key of this task's connection has expired, was deleted, or lacks the role or the billing that reading "
            f"needs. {log}",
        )
    if isinstance(error, RateLimitError):
        return "The service is asked too much", "It takes no more requests of this folder just now. Reload in a minute."
    if isinstance(error, BadRequestError):
        return "The service did not understand", f"It refused to show this part of the conversation. {log}"
    if isinstance(error, APIStatusError):
        return (
            "The service has a problem",
            f"It answered with status {error.status}. The conversation is not affected; reload in a minute.",
        )
    return (
        "The service cannot be reached",
        f"Airflow's API server got no answer in time. The conversation is not affected; reload in a minute. {log}",
    )
