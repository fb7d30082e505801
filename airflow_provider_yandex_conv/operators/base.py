"""What all operators share: the hook, the end of a task that is told to stop, and errors that no retry can mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import (
    APIStatusError,
    ConfigurationError,
    CredentialRefreshError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook


class YandexAIStudioOperator(BaseOperator):
    """
    Base of the operators.

    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says.
    :param timeout_connect: seconds to wait for a connection; replaces what the connection says.
    :param timeout_read: seconds to wait for an answer; replaces what the connection says.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id",)
    ui_color = "#fff1cc"

    def __init__(
        self,
        *,
        yandex_ai_studio_conn_id: str = "yandex_ai_studio_default",
        request_retry: RequestRetry | None = None,
        timeout_connect: float | None = None,
        timeout_read: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if request_retry is not None and not isinstance(request_retry, RequestRetry):
            raise ConfigurationError(f"request_retry must be a RequestRetry, got {type(request_retry).__name__}")
        self.yandex_ai_studio_conn_id = yandex_ai_studio_conn_id
        self.request_retry = request_retry
        self.timeout_connect = timeout_connect
        self.timeout_read = timeout_read
        self._told_to_stop = False

    @cached_property
    def hook(self) -> YandexAIStudioHook:
        """The hook of this task. It is imported when the task runs, as parsing a DAG does not need it."""
        from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

        hook = YandexAIStudioHook(
            self.yandex_ai_studio_conn_id,
            request_retry=self.request_retry,
            timeout_connect=self.timeout_connect,
            timeout_read=self.timeout_read,
        )
        if self._told_to_stop:
            hook.interrupt()
        return hook

    def on_kill(self) -> None:
        """End the waiting of a retry when the task is told to stop, and send nothing any more."""
        self._told_to_stop = True
        if "hook" in self.__dict__:
            self.hook.interrupt()


@contextmanager
def final_errors_fail_the_task(*more: type[YandexAIStudioError]) -> Iterator[None]:
    """
    Turn errors that no retry can mend into ``AirflowFailException``, which ends the task with its retries unused.

    Those are a wrong configuration, and any refusal but 404 and 429.

    :param more: further kinds of error that are final here.
    """
    try:
        yield
    except YandexAIStudioError as error:
        refused = isinstance(error, APIStatusError) and error.final
        no_token = isinstance(error, CredentialRefreshError) and not error.transient
        if refused or no_token or isinstance(error, (ConfigurationError, *more)):
            raise AirflowFailException(str(error)) from error
        raise
