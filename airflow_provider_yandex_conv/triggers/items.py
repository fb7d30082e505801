"""Waits in the triggerer for a new item in a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_yandex_conv.exceptions import PollTimeoutError, YandexAIStudioError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item


class YandexConversationItemTrigger(BaseTrigger):
    """
    Fires once, when an item that counts is in a conversation.

    Event: ``{"conversation_id": str, "item_id": str, "type": str, "role": str | None}``, and nothing of what the item
    says. Where there is none, ``item_id``, ``type`` and ``role`` are None, ``error`` says why it is waited for no
    longer, and ``timed_out`` whether that is the deadline.

    :param conversation_id: which conversation.
    :param after: id of the item behind which others count; None for all items of the conversation, from its beginning.
    :param role: of the items that count: ``user``, ``assistant``, ...; None for any.
    :param item_type: of the items that count: ``message``, ``function_call``, ...; None for any.
    :param deadline: Unix seconds, when it is waited for no longer; None for never.
    :param poll_interval: the longest wait between two looks, in seconds.
    :param yandex_ai_studio_conn_id: id of the Airflow connection.
    """

    def __init__(
        self,
        *,
        conversation_id: str,
        after: str | None = None,
        role: str | None = None,
        item_type: str | None = None,
        deadline: float | None = None,
        poll_interval: float = 60.0,
        yandex_ai_studio_conn_id: str = "yandex_ai_studio_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conversation_id = conversation_id
        self.after = after
        self.role = role
        self.item_type = item_type
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.yandex_ai_studio_conn_id = yandex_ai_studio_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what a triggerer needs to build this trigger: the connection by its id only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conversation_id": self.conversation_id,
                "after": self.after,
                "role": self.role,
                "item_type": self.item_type,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
                "yandex_ai_studio_conn_id": self.yandex_ai_studio_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is an item, the deadline has passed, or looking is of no use."""
        try:
            yield self._event((await self._wait())[0])
        except PollTimeoutError as late:
            yield self._event(None, error=str(late), timed_out=True)
        except YandexAIStudioError as failure:
            yield self._event(None, error=str(failure), timed_out=False)

    def _event(self, item: Item | None, **more: Any) -> TriggerEvent:
        found = {
            "conversation_id": self.conversation_id,
            "item_id": item.id if item else None,
            "type": item.type if item else None,
            "role": item.role if item else None,
        }
        return TriggerEvent({**found, **more})  # type: ignore[no-untyped-call]

    async def _wait(self) -> tuple[Item, ...]:
        from airflow_provider_yandex_conv.api.new_items import NewItems
        from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
        from airflow_provider_yandex_conv.polling import Polling, PollSchedule

        new = NewItems(self.conversation_id, after=self.after, role=self.role, item_type=self.item_type)
        polling: Polling[tuple[Item, ...]] = Polling(
            f"a new item of conversation {self.conversation_id}",
            PollSchedule(interval=self.poll_interval, max_interval=self.poll_interval, deadline=self.deadline),
            bool,
            log=self.log,
        )
        async with await YandexAIStudioHook(self.yandex_ai_studio_conn_id).get_async_conn() as client:
            return await polling.drive_async(lambda: new.look_async(client.send))
