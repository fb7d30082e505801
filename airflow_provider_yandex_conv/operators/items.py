"""Operators that add, list, read and delete the items of a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_yandex_conv.api import items as items_api
from airflow_provider_yandex_conv.api.arguments import check_choice, check_count
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator, was_tried_before
from airflow_provider_yandex_conv.operators.links import CONVERSATION_LINKS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class YandexAddConversationItemsOperator(YandexAIStudioOperator):
    """
    Add items to the end of a conversation, in order; more than 20 in several requests.

    XCom: the return value is the list of the ids of the items as stored; ``conversation_id`` is pushed beside it.

    Adding twice stores twice, and the vendor has no idempotency key. ``on_ambiguous`` says what happens when an answer
    is lost. On Airflow below 3.3, or with ``durable=False``, a task whose request fails after others have stored
    something fails for good, with its retries unused: a retry would store that again. The message says what was stored.

    :param conversation_id: which conversation. (templated)
    :param items: objects such as ``{"role": "user", "content": "Hello"}``. (templated)
    :param on_ambiguous: ``reconcile`` reads the conversation and sends only what is missing. ``fail`` fails the task at
        once, with its retries unused.
    :param durable: keep how far the task has come in Airflow's task state store (Airflow 3.3 and later), so that a
        retry goes on there, also when the worker was killed. A task that is cleared by a user adds everything anew.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "items")
    template_fields_renderers: ClassVar[dict[str, str]] = {"items": "json"}

    def __init__(
        self,
        *,
        conversation_id: str,
        items: Sequence[Mapping[str, Any]],
        on_ambiguous: Literal["reconcile", "fail"] = "reconcile",
        durable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_ambiguous", on_ambiguous, "reconcile", "fail")
        self.conversation_id = conversation_id
        self.items = items
        self.on_ambiguous = on_ambiguous
        self.durable = durable

    def execute(self, context: Context) -> list[str]:
        """
        Add the items, or what earlier tries left to add.

        :return: the ids of the items as stored.
        :raises AirflowFailException: no retry can mend it, or a retry would store items again.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        from airflow_provider_yandex_conv.operators.adding import ItemsTask

        with self.outcome():
            calls = items_api.create_all(self.conversation_id, self.items)
            item_ids = ItemsTask(
                self.hook,
                self.conversation_id,
                self.items,
                on_ambiguous=self.on_ambiguous,
                ledger=self.ledger(context, "yandex_ai_studio_items", calls) if self.durable else None,
                log=self.log,
            ).add()
            self.log.info("Added %d items to conversation %s", len(item_ids), self.conversation_id)
            self.push(context, conversation_id=self.conversation_id)
        return item_ids


class YandexListConversationItemsOperator(YandexAIStudioOperator):
    """
    Read the items of a conversation.

    XCom: the return value is a list of items as the server sent them, at most ``max_items`` so that XCom stays small.

    :param conversation_id: which conversation. (templated)
    :param order: ``asc`` for oldest first, ``desc`` for newest first.
    :param after: id of the item after which to begin, in that order. (templated)
    :param max_items: how many items at most.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "after")

    def __init__(
        self,
        *,
        conversation_id: str,
        order: Literal["asc", "desc"] = "asc",
        after: str | None = None,
        max_items: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("order", order, "asc", "desc")
        check_count("max_items", max_items)
        self.conversation_id = conversation_id
        self.order = order
        self.after = after
        self.max_items = max_items

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """
        Read the items.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            items = self.hook.list_items(
                self.conversation_id, order=self.order, after=self.after or None, limit=self.max_items
            )
            return [dict(item.raw) for item in items]


class YandexGetConversationItemOperator(YandexAIStudioOperator):
    """
    Read one item of a conversation.

    XCom: the return value is the item as the server sent it.

    :param conversation_id: which conversation. (templated)
    :param item_id: which item. (templated)
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "item_id")

    def __init__(self, *, conversation_id: str, item_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id
        self.item_id = item_id

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Read the item.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            return dict(self.hook.get_item(self.conversation_id, self.item_id).raw)


class YandexDeleteConversationItemOperator(YandexAIStudioOperator):
    """
    Remove one item from a conversation.

    XCom: the return value is whether this task deleted it.

    :param conversation_id: which conversation. (templated)
    :param item_id: which item. (templated)
    :param ignore_missing: whether an item that is not there is no error. On a retry it never is, as the try before may
        have deleted it.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "item_id")

    def __init__(self, *, conversation_id: str, item_id: str, ignore_missing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id
        self.item_id = item_id
        self.ignore_missing = ignore_missing

    def execute(self, context: Context) -> bool:
        """
        Delete the item.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            deleted = self.hook.delete_item(
                self.conversation_id,
                self.item_id,
                ignore_missing=self.ignore_missing or was_tried_before(context),
            )
        if deleted:
            self.log.info("Deleted item %s of conversation %s", self.item_id, self.conversation_id)
        return deleted
