"""Waits in the triggerer for new items in a conversation: for a deferred task, or as the watcher of an asset."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_yandex_conv._compat import event_trigger
from airflow_provider_yandex_conv.exceptions import PollTimeoutError, YandexAIStudioError
from airflow_provider_yandex_conv.triggers.clients import SharedClient

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger

    from airflow_provider_yandex_conv.api.models import Item
    from airflow_provider_yandex_conv.api.new_items import NewItems
    from airflow_provider_yandex_conv.polling import PollSchedule
else:
    BaseEventTrigger = event_trigger()

#: Seconds in which a triggerer has passed on what was fired; it does so once a second.
_PASSED_ON_AFTER = 3.0


class YandexConversationItemTrigger(BaseEventTrigger):
    """
    Fires when an item that counts is in a conversation.

    Event: ``{"conversation_id": str, "item_id": str, "type": str, "role": str | None}``, and nothing of what the item
    says.

    With a ``deadline`` it is what a deferred task waits with, and fires once. Where no item has come, ``item_id``,
    ``type`` and ``role`` are None, ``error`` says why it is waited for no longer, and ``timed_out`` whether that is the
    deadline.

    Without one it is an event trigger, for ``AssetWatcher(name=..., trigger=...)`` on Airflow 3: it fires for each
    item, in order, for ever, and goes on after any error, with a WARNING. Which items it has read is kept in the state
    store of the asset on Airflow 3.3 and later, for each ``conversation_id``, ``after``, ``role`` and ``item_type``: an
    item is rather fired twice, where a triggerer dies within seconds of an event, than never. Below Airflow 3.3, or
    where the same trigger watches for several assets, that is kept in memory: each start of a triggerer begins anew at
    ``after``, and every item since fires again, so that the DAG has to tell by the ``item_id`` what it has seen.

    :param conversation_id: which conversation.
    :param after: id of the item behind which others count; None for all items of the conversation, from its beginning.
    :param role: of the items that count: ``user``, ``assistant``, ...; None for any.
    :param item_type: of the items that count: ``message``, ``function_call``, ...; None for any.
    :param deadline: Unix seconds, when it is waited for no longer.
    :param poll_interval: the longest wait between two looks, in seconds.
    :param yandex_ai_studio_conn_id: id of the Airflow connection.
    :raises ConfigurationError: an argument cannot be used; in the DAG file, as a triggerer could only try again.
    """

    #: As a task's trigger it goes to the triggerers of the task's queue, which Airflow refuses to event triggers.
    supports_triggerer_queue = True

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
        self._new()
        self._schedule()

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
        """Look until there is an item, the deadline has passed, or looking is of no use; without deadline for ever."""
        if self.deadline is None:
            async for event in self._watch():
                yield event
            return
        try:
            yield self._event((await self._wait(self._new()))[0])
        except PollTimeoutError as late:
            yield self._event(None, error=str(late), timed_out=True)
        except YandexAIStudioError as failure:
            yield self._event(None, error=str(failure), timed_out=False)

    async def _watch(self) -> AsyncIterator[TriggerEvent]:
        from airflow_provider_yandex_conv.triggers.asset_state import AssetState

        state = AssetState(getattr(self, "asset_state_store", None), self._state_key, self.log)
        new = self._new(read=await state.read())
        while True:
            try:
                found = await self._wait(new)
            except YandexAIStudioError as failure:
                # A trigger that ends here is built anew by the triggerer at once, and would not wait at all.
                self.log.warning("Looking into conversation %s goes on after: %s", self.conversation_id, failure)
                await asyncio.sleep(self.poll_interval)
                continue
            for item in found:
                yield self._event(item)
            # Not at once: what a triggerer that dies has not passed on fires again.
            await asyncio.sleep(_PASSED_ON_AFTER)
            await state.write(new.read)

    @property
    def _state_key(self) -> str:
        """What the place is kept by: another choice of items has another."""
        choice = json.dumps([self.conversation_id, self.after, self.role, self.item_type])
        return f"yandex_ai_studio_items_{hashlib.sha256(choice.encode()).hexdigest()[:32]}"

    def _event(self, item: Item | None, **more: Any) -> TriggerEvent:
        found = {
            "conversation_id": self.conversation_id,
            "item_id": item.id if item else None,
            "type": item.type if item else None,
            "role": item.role if item else None,
        }
        return TriggerEvent({**found, **more})  # type: ignore[no-untyped-call]

    def _new(self, read: Any = None) -> NewItems:
        from airflow_provider_yandex_conv.api.new_items import NewItems

        return NewItems(
            self.conversation_id,
            after=self.after,
            role=self.role,
            item_type=self.item_type,
            read=[one for one in read if isinstance(one, str)] if isinstance(read, list) else (),
        )

    def _schedule(self) -> PollSchedule:
        from airflow_provider_yandex_conv.polling import PollSchedule

        return PollSchedule(interval=self.poll_interval, max_interval=self.poll_interval, deadline=self.deadline)

    async def _wait(self, new: NewItems) -> tuple[Item, ...]:
        from airflow_provider_yandex_conv.polling import Polling

        polling: Polling[tuple[Item, ...]] = Polling(
            f"a new item of conversation {self.conversation_id}",
            self._schedule(),
            bool,
            log=self.log,
        )
        async with SharedClient(self.yandex_ai_studio_conn_id) as client:
            return await polling.drive_async(lambda: new.look_async(client.send))
