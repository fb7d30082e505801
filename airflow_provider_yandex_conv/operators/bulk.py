"""Operators that create, extend and delete many conversations in one task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.bulk.throttle import check_window
from airflow_provider_yandex_conv.exceptions import BatchIncompleteError, ConfigurationError
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator, check_choice
from airflow_provider_yandex_conv.operators.stamp import describe, stamp

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.bulk.outcome import Batch
    from airflow_provider_yandex_conv.durable_batch import BatchLedger

#: How many failures a message lists.
_SHOWN_FAILURES = 5
_SHOWN_CHARACTERS = 200


class BatchOperator(YandexAIStudioOperator):
    """
    Base of the operators for many at once.

    :param concurrency: how many requests may be under way at most.
    :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
    """

    #: The things, and what was done with them, for messages.
    _what: ClassVar[tuple[str, str]]

    def __init__(self, *, concurrency: int = 10, rate: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_window(concurrency, rate)
        self.concurrency = concurrency
        self.rate = rate

    def _finish(self, context: Context, do: Callable[[], Batch[Any]], key: str, *, can_go_on: bool) -> Any:
        """
        Do a batch, and return what goes to XCom.

        :param key: of XCom, under which that is pushed where the task fails.
        :param can_go_on: whether a retry knows what is done.
        :raises AirflowFailException: no retry can do the rest, or a retry would do all again.
        :raises BatchIncompleteError: some were not done.
        """
        try:
            batch = do()
        except BaseException as stop:
            unfinished = self.hook.unfinished
            if unfinished is None:
                raise
            self._push(context, key, unfinished)
            if unfinished.done and not can_go_on:
                raise self._not_retried(f"{type(stop).__name__} came.", unfinished) from stop
            raise
        if batch.is_complete and (can_go_on or not self.hook.is_interrupted):
            self.log.info("%s", self._count(batch))
            return self._value(context, batch)
        self._push(context, key, batch)
        incomplete = self._incomplete(batch)
        if batch.done and not can_go_on:
            raise self._not_retried(str(incomplete), batch) from batch.stopped
        raise incomplete from batch.stopped

    def _incomplete(self, batch: Batch[Any]) -> BatchIncompleteError:
        shown = [
            f"[{one.index}] {one.kind}: {one.error[:_SHOWN_CHARACTERS]}" for one in batch.failures[:_SHOWN_FAILURES]
        ]
        if len(batch.failures) > _SHOWN_FAILURES:
            shown.append(f"and {len(batch.failures) - _SHOWN_FAILURES:,} more")
        parts = [self._count(batch), *shown]
        if batch.stopped is not None:
            parts.append(f"the rest was not tried: {batch.stopped}")
            return BatchIncompleteError("; ".join(parts), final=batch.stopped.final)
        return BatchIncompleteError("; ".join(parts), final=all(one.final for one in batch.failures))

    def _count(self, batch: Batch[Any]) -> str:
        what, done = self._what
        return f"{batch.done:,} of {len(batch.results):,} {what} were {done}, {len(batch.failures):,} failed"

    def _not_retried(self, why: str, batch: Batch[Any]) -> AirflowFailException:
        what, done = self._what
        return AirflowFailException(
            f"{why} {self._count(batch)}. The task is not retried, as the {batch.done:,} {what} that were {done} would "
            "be so again."
        )

    def _push(self, context: Context, key: str, batch: Batch[Any]) -> None:
        """Let what was done be found, as a task that fails has no return value."""
        if not self.do_xcom_push:
            return
        try:
            context["ti"].xcom_push(key=key, value=self._value(context, batch))
        except Exception:
            self.log.warning("What was done could not be pushed to XCom")
            self.log.debug("Pushing to XCom failed", exc_info=True)

    def _value(self, context: Context, batch: Batch[Any]) -> Any:
        """Return what goes to XCom."""
        raise NotImplementedError


class DurableBatchOperator(BatchOperator):
    """
    Base of those that must not do anything twice, and whose results are lists.

    :param chunk_size: how many results share a key of the task state store.
    :param durable: whether to keep how far the task has come there.
    :param object_storage_path: URL of the folder for lists that are too long for XCom. (templated)
    :param max_xcom_length: how long a list in XCom may be where there is such a folder.
    """

    def __init__(
        self,
        *,
        chunk_size: int = 100,
        durable: bool = True,
        object_storage_path: str | None = None,
        max_xcom_length: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, number in (("chunk_size", chunk_size), ("max_xcom_length", max_xcom_length)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigurationError(f"{name} must be a whole number of at least 1, got {number!r}")
        self.chunk_size = chunk_size
        self.durable = durable
        self.object_storage_path = object_storage_path
        self.max_xcom_length = max_xcom_length

    def _journal(self, context: Context, key: str) -> BatchLedger | None:
        from airflow_provider_yandex_conv.durable import store_of
        from airflow_provider_yandex_conv.durable_batch import BatchLedger

        store = store_of(context, self.log) if self.durable else None
        if store is None:
            return None
        return BatchLedger(
            store,
            key,
            max_tries=getattr(context["ti"], "max_tries", None),
            conn_id=self.yandex_ai_studio_conn_id,
            chunk_size=self.chunk_size,
            what=self._what[0],
            log=self.log,
        )

    def _value(self, context: Context, batch: Batch[Any]) -> Any:
        results = list(batch.results)
        if not self.object_storage_path or len(results) <= self.max_xcom_length:
            return results
        from airflow_provider_yandex_conv.operators.manifest import write_lines

        try:
            return write_lines(self.object_storage_path, context, results)
        except Exception as error:
            # They exist: failing here would lose them.
            self.log.warning(
                "The list could not be written to %s (%s), and goes to XCom whole", self.object_storage_path, error
            )
            return results


class YandexCreateConversationsOperator(DurableBatchOperator):
    """
    Create many conversations, as fast as the quotas allow.

    XCom: the return value is the list of their ids, in the order of the input; or, where ``object_storage_path`` is
    set and the list is longer than ``max_xcom_length``, ``{"path": str, "count": int, "done": int}``: the URL of a file
    with one id in each line. The operators for many at once take either. Where the task fails, ``conversation_ids``
    holds the same, with None for each that does not exist.

    All requests back off together when a quota is used up. What one conversation is refused for stops none of the
    others: the task fails in the end, and lists the first failures by their place in the input. What would meet all of
    them, such as a wrong key, ends the task at once.

    On Airflow below 3.3, or with ``durable=False``, a task that has created some and fails does so for good, with its
    retries unused: a retry would create those again.

    :param conversations: ``{"metadata"?: {str: str}, "items"?: [object]}`` for each: a list; a function that returns an
        iterator; or the path or URL of a file with one such object in each line. It is read as it is needed, and must
        be in the same order on a retry. (templated)
    :param stamp_metadata: add four pairs that name the DAG, run, task and map index. Pairs of the input come first.
    :param concurrency: how many requests may be under way at most; somewhat above the quota is best, as the number is
        lowered while the server says that it is too high.
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
                    self.conversations,
                    metadata=stamped,
                    concurrency=self.concurrency,
                    rate=self.rate,
                    on_ambiguous=self.on_ambiguous,
                    journal=journal,
                ),
                "conversation_ids",
                can_go_on=journal is not None,
            )
