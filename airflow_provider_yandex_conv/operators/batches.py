"""What the operators for many at once share: the window, the journal, and how a task ends that is not complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.arguments import check_count, check_window
from airflow_provider_yandex_conv.exceptions import BatchIncompleteError
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator

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

    def _read(self, given: Any, context: Context) -> Any:
        """Return an input; a function is called as newer Airflows themselves call one in a template field."""
        return given(context=context, jinja_env=self.get_template_env()) if callable(given) else given

    def _finish(self, context: Context, do: Callable[[], Batch[Any]], *, can_go_on: bool) -> Any:
        """
        Do a batch, and return what goes to XCom.

        :param can_go_on: whether a retry knows what is done.
        :raises AirflowFailException: no retry can do the rest, or a retry would do all again.
        :raises BatchIncompleteError: some were not done.
        """
        batch: Batch[Any] | None = None
        try:
            batch = do()
            value = self._value(context, batch)
        except BaseException as stop:
            made = batch or self.hook.unfinished
            if made is None:
                raise
            # What was cut off in a slow storage does not go there again.
            self._push(context, self._value(context, made) if batch is None else list(made.results))
            if self._is_begun(made) and not can_go_on:
                raise self._not_retried(f"{type(stop).__name__} came: {self._count(made)}.", made) from stop
            raise
        if batch.is_complete and not self.hook.is_interrupted:
            self.log.info("%s", self._count(batch))
            return value
        self._push(context, value)
        if batch.is_complete and can_go_on:
            return value  # the task fails all the same, as it was told to stop, and a retry finds all done
        incomplete = self._incomplete(batch)
        if self._is_begun(batch) and not can_go_on:
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
        return BatchIncompleteError(
            "; ".join(parts), final=bool(batch.failures) and all(one.final for one in batch.failures)
        )

    def _is_begun(self, batch: Batch[Any]) -> bool:
        """Whether a retry that knows of nothing would do something again."""
        return batch.done > 0

    def _count(self, batch: Batch[Any]) -> str:
        what, done = self._what
        return f"{batch.done:,} of {len(batch.results):,} {what} are {done}, {len(batch.failures):,} failed"

    def _not_retried(self, why: str, batch: Batch[Any]) -> AirflowFailException:
        what, done = self._what
        return AirflowFailException(
            f"{why} The task is not retried, as it would begin with the first again, and {batch.done:,} {what} are "
            f"{done} already."
        )

    def _push(self, context: Context, value: Any) -> None:
        """Let what was done be found by a clean-up, as a task that fails returns nothing."""
        self.push(context, return_value=value)

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
        check_count("chunk_size", chunk_size)
        check_count("max_xcom_length", max_xcom_length)
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
