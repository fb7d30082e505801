"""What all operators share: the hook, the end of a task that is told to stop, and errors that no retry can mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InterruptedCallError, YandexAIStudioError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.durable import Ledger
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

    def ledger(self, context: Context, key: str, calls: Iterable[Call[Any]]) -> Ledger | None:
        """
        Return what earlier tries of this task did, or None where Airflow keeps nothing over the tries.

        :param key: the name of the record in Airflow's task state store.
        :param calls: all that the task will send, with its input filled in.
        :raises TaskStateStoreError: it cannot be read.
        """
        from airflow_provider_yandex_conv.durable import open_ledger

        return open_ledger(context, key, calls, conn_id=self.yandex_ai_studio_conn_id, log=self.log)

    def push(self, context: Context, **values: Any) -> None:
        """
        Push values to XCom, each under its name, and go on where that fails: what they tell of has happened.

        A task that failed for them would be retried, and do it, and perhaps pay, again.
        """
        if not self.do_xcom_push:
            return
        try:
            for key, value in values.items():
                context["ti"].xcom_push(key=key, value=value)
        except Exception:
            self.log.warning("Not all could be pushed to XCom: %s", ", ".join(values))
            self.log.debug("Pushing to XCom failed", exc_info=True)

    def on_kill(self) -> None:
        """
        End the task when it is told to stop: the waiting of a retry at once, a request within 2.5 s.

        :raises InterruptedCallError: in a signal handler, to end the setting up of a connection that it interrupts.
        """
        self._told_to_stop = True
        if "hook" in self.__dict__:
            self.hook.interrupt()

    @contextmanager
    def outcome(self, *final: type[YandexAIStudioError]) -> Iterator[None]:
        """
        Let the task end as its author needs it to.

        Errors that no retry can mend become ``AirflowFailException``, which ends the task with its retries unused.
        Those are a wrong configuration, and any refusal but 404 and 429. A task that was told to stop never ends as a
        success: Airflow itself lets it go on.

        :param final: further kinds of error that are final here.
        :raises InterruptedCallError: the task was told to stop, and finished what it was at.
        """
        try:
            yield
        except YandexAIStudioError as error:
            if error.final or isinstance(error, final):
                raise AirflowFailException(str(error)) from error
            raise
        if self._told_to_stop:
            raise InterruptedCallError("the task was told to stop, after it had done its work")


def was_tried_before(context: Context) -> bool:
    """Whether an earlier try of the task may have done its work, and ended before it could say so."""
    try_number = getattr(context.get("ti"), "try_number", 1)
    return isinstance(try_number, int) and try_number > 1
