"""The sensor that waits for a response that somebody else has asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.exceptions import ConfigurationError, ResponseError
from airflow_provider_yandex_conv.sensors.base import YandexAIStudioSensor

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.response_models import ModelResponse
    from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

End = Literal["failed", "incomplete", "cancelled", "refused"]
_BAD_ENDS: tuple[End, ...] = ("failed", "incomplete", "cancelled", "refused")


class YandexResponseSensor(YandexAIStudioSensor):
    """
    Wait for a response that somebody else has asked for, in the background, to come to its end.

    XCom: the return value is how it ended: ``completed``, ``failed``, ``incomplete``, ``cancelled`` or ``refused``.
    What the model says stays at the vendor. The sensor only reads: a task that is told to stop cancels no response.

    :param response_id: which one. (templated)
    :param fail_on: the ends that are an error, with the reason and what was billed. It fails the task for good, with
        its retries unused, as the response will not change; ``()`` takes every end for a success.
    :param deferrable: whether to wait in the triggerer, which takes no worker. Airflow's ``[operators]
        default_deferrable`` says so where this does not.
    :param poke_interval: seconds between two looks, as Airflow's sensors have it, and so are ``timeout``, ``mode``,
        ``soft_fail``, ``never_fail`` and ``silent_fail``. Deferred, it looks after half of it at the earliest, and
        tolerates five failures in a row; ``mode`` and the backoff of Airflow's sensors are of no effect then.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request of the task is sent again; replaces what the connection says, as do
        ``timeout_connect`` and ``timeout_read``, in seconds.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "response_id")

    def __init__(self, *, response_id: str, fail_on: Sequence[End] = _BAD_ENDS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(fail_on, str):
            raise ConfigurationError(f"fail_on must be a list of ends, got {fail_on!r}")
        for end in fail_on:
            check_choice("fail_on", end, *_BAD_ENDS)
        self.response_id = response_id
        self.fail_on = fail_on

    def look(self) -> str | None:
        """
        Read the response.

        :return: how it ended, or None if it has not.
        :raises ResponseError: it ended as it must not.
        """
        response = self.hook.get_response(self.response_id)
        return self._end(response) if response.is_terminal else None

    def trigger(self, deadline: float) -> YandexResponseTrigger:
        """Return what waits in the triggerer, and cancels nothing."""
        from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

        return YandexResponseTrigger(
            response_id=self.response_id,
            deadline=deadline,
            poll_interval=self.trigger_interval,
            max_poll_interval=self.trigger_interval,
            cancel_on_kill=False,
            yandex_ai_studio_conn_id=self.yandex_ai_studio_conn_id,
        )

    def found(self, event: Mapping[str, Any]) -> str | None:
        """Read the response if it has ended, as an event does not hold the reasons."""
        return self.look() if event.get("error") is None else None

    def _end(self, response: ModelResponse) -> str:
        from airflow_provider_yandex_conv.api.outcome import require_answer

        refused = response.status == "completed" and response.refusal is not None
        end = "refused" if refused else response.status
        if end in self.fail_on:
            try:
                require_answer(response)
            except ResponseError as error:
                error.advice = "It will not change: whoever asked for it has to ask again"
                raise
        return end
