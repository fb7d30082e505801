"""Operators that create, read, update and delete a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.api.limits import check_metadata
from airflow_provider_yandex_conv.exceptions import NotFoundError, UnsupportedEndpointError
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator, was_tried_before
from airflow_provider_yandex_conv.operators.links import CONVERSATION_LINKS
from airflow_provider_yandex_conv.operators.stamp import stamp

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.api.models import Conversation
    from airflow_provider_yandex_conv.operators.creating import ConversationCreator


class YandexCreateConversationOperator(YandexAIStudioOperator):
    """
    Create a conversation and return its id.

    XCom: the return value is the ``conversation_id``; ``conversation`` holds ``{"id", "object", "metadata",
    "created_at"}``, and ``request_id`` is what the vendor's support asks for.

    The vendor has no idempotency key: when the answer to a create is lost, nobody can tell whether the conversation
    exists. ``on_ambiguous`` says what happens then.

    :param metadata: up to 16 pairs of strings, keys of at most 64 and values of at most 512 characters. (templated)
    :param items: at most 20 items to begin with, such as ``{"role": "user", "content": "Hello"}``. (templated)
    :param stamp_metadata: add four pairs that name the DAG, run, task and map index. Pairs of ``metadata`` come first.
    :param on_ambiguous: ``recreate`` sends the create again, and a WARNING names the attempt that may have left a
        conversation behind; nobody can reach that one, and it costs nothing. ``fail`` fails the task at once, with its
        retries unused, for content of which no forgotten copy may exist.
    :param durable: keep what the task does in Airflow's task state store (Airflow 3.3 and later), so that a retry uses
        the conversation that an earlier try created, also when the worker was killed. A task that is cleared by a user
        begins anew.
    :param on_missing: what a retry does where the conversation of an earlier try is gone: ``recreate`` warns and
        creates another, ``fail`` fails the task at once.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "metadata", "items")
    template_fields_renderers: ClassVar[dict[str, str]] = {"metadata": "json", "items": "json"}

    def __init__(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        items: Sequence[Mapping[str, Any]] | None = None,
        stamp_metadata: bool = True,
        on_ambiguous: Literal["recreate", "fail"] = "recreate",
        durable: bool = True,
        on_missing: Literal["recreate", "fail"] = "recreate",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_ambiguous", on_ambiguous, "recreate", "fail")
        check_choice("on_missing", on_missing, "recreate", "fail")
        self.metadata = metadata
        self.items = items
        self.stamp_metadata = stamp_metadata
        self.on_ambiguous = on_ambiguous
        self.durable = durable
        self.on_missing = on_missing

    def execute(self, context: Context) -> str:
        """
        Create the conversation, or find that of an earlier try.

        :return: its id.
        :raises AirflowFailException: no retry can mend it, or it is ambiguous and ``on_ambiguous`` is ``fail``.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        with self.outcome(NotFoundError):  # of what is to be created, nothing can be missing
            creator = self._creator(context)
            conversation = creator.create()
            with creator.until_it_is_returned(conversation):
                self._push(context, conversation)
        return conversation.id

    def _creator(self, context: Context) -> ConversationCreator:
        from airflow_provider_yandex_conv.operators.creating import ConversationCreator

        metadata = {} if self.metadata is None else self.metadata
        check_metadata(metadata)
        stamped = stamp(context) if self.stamp_metadata else {}
        wanted = {**stamped, **metadata} or None
        call = conversations.create(metadata=wanted, items=self.items)
        return ConversationCreator(
            self.hook,
            metadata=wanted,
            items=self.items,
            stamped=stamped,
            may_recreate=self.on_ambiguous == "recreate",
            may_replace=self.on_missing == "recreate",
            ledger=self.ledger(context, "yandex_ai_studio_conversation", [call]) if self.durable else None,
            log=self.log,
        )

    def _push(self, context: Context, conversation: Conversation) -> None:
        if not self.do_xcom_push:
            return
        try:
            context["ti"].xcom_push(key="conversation", value=conversation.as_dict())
            context["ti"].xcom_push(key="request_id", value=conversation.request_id)
        except Exception:
            # The conversation exists: failing here would make a retry of the task create another one.
            self.log.warning("Conversation %s exists, but not all of it could be pushed to XCom", conversation.id)
            self.log.debug("Pushing to XCom failed", exc_info=True)


class YandexGetConversationOperator(YandexAIStudioOperator):
    """
    Read a conversation.

    XCom: the return value is ``{"id": str, "object": str, "metadata": {str: str}, "created_at": <Unix seconds>}``.

    :param conversation_id: which one. (templated)
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id")

    def __init__(self, *, conversation_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Read the conversation.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            return self.hook.get_conversation(self.conversation_id).as_dict()


class YandexUpdateConversationOperator(YandexAIStudioOperator):
    """
    Change the metadata of a conversation.

    XCom: the return value is ``{"id": str, "object": str, "metadata": {str: str}, "created_at": <Unix seconds>}``.

    :param conversation_id: which one. (templated)
    :param metadata: pairs to set. (templated)
    :param keep_other_metadata: keep the pairs that are not named in ``metadata``, the stamp of the task that created
        the conversation among them. The vendor's endpoint replaces all pairs, so they are read first. False replaces
        all.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id", "metadata")
    template_fields_renderers: ClassVar[dict[str, str]] = {"metadata": "json"}

    def __init__(
        self, *, conversation_id: str, metadata: Mapping[str, str], keep_other_metadata: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id
        self.metadata = metadata
        self.keep_other_metadata = keep_other_metadata

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Change the metadata.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            check_metadata(self.metadata)
            kept = self.hook.get_conversation(self.conversation_id).metadata if self.keep_other_metadata else {}
            updated = self.hook.update_conversation(self.conversation_id, metadata={**kept, **self.metadata})
        self.log.info("Updated the metadata of conversation %s", updated.id)
        return updated.as_dict()


class YandexDeleteConversationOperator(YandexAIStudioOperator):
    """
    Delete a conversation.

    As a teardown, ``delete.as_teardown(setups=create)``, it also runs when tasks in between have failed. A teardown
    that fails leaves the run green, and here a conversation behind. Airflow's ``on_failure_fail_dagrun=True`` turns
    that round: the run is then as the teardown is, and green where the tasks before it have failed.

    The vendor keeps the items of a deleted conversation, and nobody can reach them once it is gone.

    XCom: the return value is whether this task deleted it.

    :param conversation_id: which one. (templated)
    :param delete_items: delete its items one by one first. Where the server does not offer that, a WARNING says how
        many stay, and the conversation is deleted all the same.
    :param ignore_missing: whether a conversation that is not there is no error. On a retry it never is, as the try
        before may have deleted it.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_id")

    def __init__(
        self, *, conversation_id: str, delete_items: bool = False, ignore_missing: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.conversation_id = conversation_id
        self.delete_items = delete_items
        self.ignore_missing = ignore_missing

    def execute(self, context: Context) -> bool:
        """
        Delete the conversation.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it; ``NotFoundError`` if there is none of that id.
        """
        with self.outcome():
            if self.delete_items:
                self._delete_items()
            deleted = self.hook.delete_conversation(
                self.conversation_id, ignore_missing=self.ignore_missing or was_tried_before(context)
            )
        if deleted:
            self.log.info("Deleted conversation %s", self.conversation_id)
        return deleted

    def _delete_items(self) -> None:
        try:
            # Newest first: the hook tells a missing endpoint from a missing item by looking through the newest.
            item_ids = [item.id for item in self.hook.list_items(self.conversation_id, order="desc")]
        except NotFoundError:
            return  # the delete of the conversation says what that means
        done, left = 0, len(item_ids)
        try:
            for item_id in item_ids:
                done += self.hook.delete_item(self.conversation_id, item_id, ignore_missing=True)
                left -= 1
        except UnsupportedEndpointError as error:
            self.log.warning(
                "%d items of conversation %s stay at the vendor, and cannot be reached once it is deleted: %s",
                left,
                self.conversation_id,
                error,
            )
        self.log.info("Deleted %d of %d items of conversation %s", done, len(item_ids), self.conversation_id)
