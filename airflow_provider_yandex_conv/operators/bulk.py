"""Operators that create, extend and delete many conversations in one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.operators.base import was_tried_before
from airflow_provider_yandex_conv.operators.batches import BatchOperator, DurableBatchOperator
from airflow_provider_yandex_conv.operators.stamp import describe, stamp

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.bulk.outcome import Batch


class YandexCreateConversationsOperator(DurableBatchOperator):
    """
    Create many conversations, as fast as the quotas allow.

    XCom: the return value is the list of their ids, in the order of the input; or, where ``object_storage_path`` is
    set and the list is longer than ``max_xcom_length``, ``{"path": str, "count": int, "done": int}``: the URL of a file
    with one id in each line. The operators for many at once take either. A task that fails pushes the same under
    ``return_value``, with None for each that does not exist, so that a teardown can delete the others.

    All requests back off together when a quota is used up. What one conversation is refused for stops none of the
    others: the task fails in the end, and lists the first failures by their place in the input. What would meet all of
    them, such as a wrong key, ends the task at once.

    On Airflow below 3.3, or with ``durable=False``, a task that has created some and fails does so for good, with its
    retries unused: a retry would create those again.

    :param conversations: ``{"metadata"?: {str: str}, "items"?: [object]}`` for each: a list; a function of ``context``
        and ``jinja_env`` that returns an iterator; or the path or URL of a file with one such object in each line. It
        is read as it is needed, and must be in the same order on a retry. (templated)
    :param stamp_metadata: add four pairs that name the DAG, run, task and map index. Pairs of the input come first.
    :param concurrency: how many requests may be under way at most. Above the quota is best, as the number is lowered
        while the server says that it is too high: three times the quota with ``durable``, as a slot is taken until its
        result is noted, else somewhat above.
    :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
    :param on_ambiguous: ``recreate`` creates again after an attempt whose outcome is unknown, and a WARNING names that
        with its place in the input. ``fail`` does not create that one, and fails the task for good in the end.
    :param durable: keep how far the task has come in Airflow's task state store (Airflow 3.3 and later), so that a
        retry creates only what is missing, also when the worker was killed. What that left open is at most
        ``concurrency`` requests, each named by a WARNING. A task that is cleared by a user begins anew.
    :param chunk_size: how many ids share a key of the task state store.
    :param object_storage_path: URL of a folder, such as ``s3://aws_default@bucket/conversations``. (templated)
    :param max_xcom_length: how many ids go to XCom where there is such a folder.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds. Its ``timeout`` is how long none of them may succeed.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversations", "object_storage_path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"conversations": "json"}
    _what = ("conversations", "created")

    def __init__(
        self,
        *,
        conversations: Any,
        stamp_metadata: bool = True,
        on_ambiguous: Literal["recreate", "fail"] = "recreate",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_ambiguous", on_ambiguous, "recreate", "fail")
        self.conversations = conversations
        self.stamp_metadata = stamp_metadata
        self.on_ambiguous = on_ambiguous

    def execute(self, context: Context) -> Any:
        """
        Create the conversations, or those that earlier tries left to create.

        :return: their ids in the order of the input, or the manifest of the file that they are in.
        :raises AirflowFailException: no retry can mend it, or a retry would create conversations again.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        stamped = stamp(context) if self.stamp_metadata else {}
        with self.outcome():
            journal = self._journal(context, "yandex_ai_studio_conversations")
            if stamped:
                self.log.info("Each conversation has the metadata %s", describe(stamped))
            return self._finish(
                context,
                lambda: self.hook.create_conversations(
                    self._read(self.conversations, context),
                    metadata=stamped,
                    concurrency=self.concurrency,
                    rate=self.rate,
                    on_ambiguous=self.on_ambiguous,
                    journal=journal,
                ),
                can_go_on=journal is not None,
            )

    def _is_begun(self, batch: Batch[Any]) -> bool:
        return super()._is_begun(batch) or any(one.in_part and one.final for one in batch.failures)


class YandexAddItemsToConversationsOperator(DurableBatchOperator):
    """
    Add items to many conversations, as fast as the quotas allow; to each in order, more than 20 in several requests.

    XCom: the return value is a list with the ids of the new items for each conversation, in the order of the input; or,
    where ``object_storage_path`` is set and it is longer than ``max_xcom_length``, the manifest of a file, as of
    ``YandexCreateConversationsOperator``. A task that fails pushes the same, with None for each that has not all of its
    items.

    Adding twice stores twice, and the vendor has no idempotency key. ``on_ambiguous`` says what happens when an answer
    is lost. On Airflow below 3.3, or with ``durable=False``, a task that has added some and fails does so for good,
    with its retries unused.

    :param additions: ``{"conversation_id": str, "items": [object]}`` for each, each conversation once: a list; a
        function of ``context`` and ``jinja_env`` that returns an iterator; or the path or URL of a file with one such
        object in each line. It is read as it is needed, and must be in the same order on a retry. (templated)
    :param concurrency: how many requests may be under way at most.
    :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
    :param on_ambiguous: ``reconcile`` reads the conversation and sends only what is missing. ``fail`` leaves it, and
        fails the task for good in the end.
    :param durable: keep how far the task has come in Airflow's task state store (Airflow 3.3 and later), so that a
        retry adds only what is missing, also when the worker was killed. A task that is cleared by a user adds
        everything anew.
    :param chunk_size: how many conversations share a key of the task state store.
    :param object_storage_path: URL of a folder, such as ``s3://aws_default@bucket/items``. (templated)
    :param max_xcom_length: for how many conversations the ids go to XCom where there is such a folder.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds. Its ``timeout`` is how long none of them may succeed.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "additions", "object_storage_path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"additions": "json"}
    _what = ("additions", "made")

    def __init__(
        self, *, additions: Any, on_ambiguous: Literal["reconcile", "fail"] = "reconcile", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_ambiguous", on_ambiguous, "reconcile", "fail")
        self.additions = additions
        self.on_ambiguous = on_ambiguous

    def execute(self, context: Context) -> Any:
        """
        Add the items, or what earlier tries left to add.

        :return: the ids of the new items, in the order of the input, or the manifest of the file that they are in.
        :raises AirflowFailException: no retry can mend it, or a retry would store items again.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        with self.outcome():
            journal = self._journal(context, "yandex_ai_studio_additions")
            return self._finish(
                context,
                lambda: self.hook.add_items_to_conversations(
                    self._read(self.additions, context),
                    concurrency=self.concurrency,
                    rate=self.rate,
                    on_ambiguous=self.on_ambiguous,
                    journal=journal,
                ),
                can_go_on=journal is not None,
            )

    def _is_begun(self, batch: Batch[Any]) -> bool:
        return super()._is_begun(batch) or any(one.in_part for one in batch.failures)


class YandexDeleteConversationsOperator(BatchOperator):
    """
    Delete many conversations, as fast as the quotas allow; the clean-up of a batch.

    As a teardown, ``delete.as_teardown()``, it also runs when tasks before it have failed, and takes what a create that
    failed has pushed. With ``setups=create`` it would not run where that itself failed.

    The vendor keeps the items of a deleted conversation, and nobody can reach them once it is gone.

    XCom: the return value is ``{"deleted": int, "missing": int}``: how many this task deleted, and how many were not
    there.

    :param conversation_ids: which ones: a list of ids; a function of ``context`` and ``jinja_env`` that returns an
        iterator; the path or URL of a file with one id, as JSON, in each line; or what
        ``YandexCreateConversationsOperator`` returns. None in the place of an id stands for a conversation that was
        never created, in the place of the list for none at all. (templated)
    :param ignore_missing: whether a conversation that is not there is no error. On a retry it never is, as the try
        before may have deleted it.
    :param concurrency: how many requests may be under way at most.
    :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds. Its ``timeout`` is how long none of them may succeed.
    """

    template_fields: Sequence[str] = ("yandex_ai_studio_conn_id", "conversation_ids")
    template_fields_renderers: ClassVar[dict[str, str]] = {"conversation_ids": "json"}
    _what = ("conversations", "dealt with")

    def __init__(self, *, conversation_ids: Any, ignore_missing: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversation_ids = conversation_ids
        self.ignore_missing = ignore_missing

    def execute(self, context: Context) -> Any:
        """
        Delete the conversations.

        :raises AirflowFailException: no retry can mend it.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        if self.conversation_ids is None:
            self.log.warning("There is no list of conversations, so none is deleted")
        with self.outcome():
            return self._finish(
                context,
                lambda: self.hook.delete_conversations(
                    [] if self.conversation_ids is None else self._read(self.conversation_ids, context),
                    ignore_missing=self.ignore_missing or was_tried_before(context),
                    concurrency=self.concurrency,
                    rate=self.rate,
                ),
                can_go_on=True,
            )

    def _value(self, context: Context, batch: Batch[Any]) -> dict[str, int]:
        deleted = sum(one is True for one in batch.results)
        return {"deleted": deleted, "missing": batch.done - deleted}
