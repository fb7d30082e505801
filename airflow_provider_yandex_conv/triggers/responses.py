"""Waits in the triggerer for a model response to come to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_yandex_conv.exceptions import PollTimeoutError, YandexAIStudioError
from airflow_provider_yandex_conv.triggers.clients import SharedClient


class YandexResponseTrigger(BaseTrigger):
    """
    Fires once, when a response has come to its end, whichever that is.

    Event: ``{"response_id": str, "status": str | None, "error": str | None, "timed_out": bool}``. ``status`` is that of
    the response as it was read last; ``error`` says why it is waited for no longer, where it has not come to its end,
    and ``timed_out`` whether that is the deadline.

    :param response_id: which one.
    :param deadline: Unix seconds, when it is waited for no longer.
    :param poll_interval: the longest wait before the second look, in seconds.
    :param max_poll_interval: to what the waits before the other looks grow, in seconds.
    :param cancel_on_kill: whether to cancel the response where a user ends the deferred task (Airflow 3.3 and later).
    :param yandex_ai_studio_conn_id: id of the Airflow connection.
    """

    def __init__(
        self,
        *,
        response_id: str,
        deadline: float,
        poll_interval: float = 1.0,
        max_poll_interval: float = 15.0,
        cancel_on_kill: bool = True,
        yandex_ai_studio_conn_id: str = "yandex_ai_studio_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.response_id = response_id
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.max_poll_interval = max_poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.yandex_ai_studio_conn_id = yandex_ai_studio_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what a triggerer needs to build this trigger: the connection by its id only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "response_id": self.response_id,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
                "max_poll_interval": self.max_poll_interval,
                "cancel_on_kill": self.cancel_on_kill,
                "yandex_ai_studio_conn_id": self.yandex_ai_studio_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the response has come to its end, the deadline has passed, or looking is of no use."""
        status: str | None = None
        error: str | None = None
        timed_out = False
        try:
            status = await self._wait()
        except PollTimeoutError as late:
            status = late.found
            error, timed_out = str(late), True
        except YandexAIStudioError as failure:
            error = str(failure)
        event = {"response_id": self.response_id, "status": status, "error": error, "timed_out": timed_out}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel the response, when a user ends the task that waits for it."""
        if not self.cancel_on_kill:
            return
        from airflow_provider_yandex_conv.api import responses

        try:
            async with SharedClient(self.yandex_ai_studio_conn_id) as client:
                cancelled = await client.send(responses.cancel(self.response_id))
        except YandexAIStudioError as error:
            self.log.warning("Response %s could not be cancelled, and may be billed: %s", self.response_id, error)
        else:
            self.log.info("Told to stop: response %s is %s now", self.response_id, cancelled.status)

    async def _wait(self) -> str:
        from airflow_provider_yandex_conv.api import responses
        from airflow_provider_yandex_conv.api.response_models import TERMINAL_STATUSES, status_from_response
        from airflow_provider_yandex_conv.api.wire import Call
        from airflow_provider_yandex_conv.polling import Polling, PollSchedule

        whole = responses.get(self.response_id)
        # Only the status is read, as a thousand waits look many thousand times.
        call = Call(whole.name, whole.request, status_from_response, whole.safety)
        polling: Polling[str] = Polling(
            f"response {self.response_id}",
            PollSchedule(interval=self.poll_interval, max_interval=self.max_poll_interval, deadline=self.deadline),
            TERMINAL_STATUSES.__contains__,
            log=self.log,
        )
        async with SharedClient(self.yandex_ai_studio_conn_id) as client:
            return await polling.drive_async(lambda: client.send(call))
