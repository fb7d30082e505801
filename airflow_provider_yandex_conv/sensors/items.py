"""The sensor that waits for a new item in a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.operators.links import CONVERSATION_LINKS
from airflow_provider_yandex_conv.sensors.base import YandexAIStudioSensor

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.new_items import NewItems
    from airflow_provider_yandex_conv.triggers.items import YandexConversationItemTrigger


class YandexConversationItemSensor(YandexAIStudioSensor):
    """
    Wait for an item that somebody adds to a conversation: what a person says, an answer of a model, a tool's output.

    XCom: the return value is ``{"conversation_id": str, "item_id": str, "type": str, "role": str | None}`` of the first
    such item, and nothing of what it says. Its ``item_id`` is the ``after`` of who waits for the next.

    :param conversation_id: which conversation. (templated)
    :param after: id of the item behind which others count, such as the last that the DAG itself has added; None for all
        items of the conversation, from its beginning: one that is there already ends the wait at once. (templated)
    :param role: of the item: ``user``, ``assistant``, ...; None for any. (templated)
    :param item_type: of the item: ``message``, ``function_call``, ...; None for any. (templated)
    :param deferrable: whether to wait in the triggerer, which takes no worker. Airflow's ``[operators]
        default_deferrable`` says so where this does not.
    :param poke_interval: seconds between two looks, as Airflow's sensors have it, and so are ``timeout``, ``mode``,
        ``soft_fail``, ``never_fail`` and ``silent_fail``. Deferred, it looks after half of it at the earliest, and
        tolerates five failures in a row; ``mode`` and the backoff of Airflow's sensors are of no effect then.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request of the task is sent again; replaces what the connection says, as do
        ``timeout_connect`` and ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "after", "role", "item_type")

    def __init__(
        self,
        *,
        conversation_id: str,
        after: str | None = None,
        role: str | None = None,
        item_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id
        self.after = after
        self.role = role
        self.item_type = item_type

    def look(self) -> dict[str, Any] | None:
        """
        Read on in the conversation.

        :return: the first item that counts, as it goes to XCom, or None if there is none.
        """
        found = self._new.look(self.hook.get_conn().send)
        if not found:
            return None
        item = found[0]
        return {"conversation_id": self.conversation_id, "item_id": item.id, "type": item.type, "role": item.role}

    def trigger(self, deadline: float) -> YandexConversationItemTrigger:
        """Return what waits in the triggerer."""
        from airflow_provider_yandex_conv.triggers.items import YandexConversationItemTrigger

        return YandexConversationItemTrigger(
            conversation_id=self.conversation_id,
            after=self.after or None,
            role=self.role or None,
            item_type=self.item_type or None,
            deadline=deadline,
            poll_interval=self.trigger_interval,
            yandex_ai_studio_conn_id=self.yandex_ai_studio_conn_id,
        )

    def found(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the item of the event."""
        if event.get("item_id") is None:
            return None
        return {name: event[name] for name in ("conversation_id", "item_id", "type", "role")}

    @cached_property
    def _new(self) -> NewItems:
        """Where the looks of this task have come to."""
        from airflow_provider_yandex_conv.api.new_items import NewItems

        return NewItems(
            self.conversation_id,
            after=self.after or None,
            role=self.role or None,
            item_type=self.item_type or None,
        )
