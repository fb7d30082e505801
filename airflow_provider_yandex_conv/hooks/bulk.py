"""The methods of the hook for many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv._compat import open_url
from airflow_provider_yandex_conv.bulk.outcome import CreatedConversations
from airflow_provider_yandex_conv.bulk.source import open_source
from airflow_provider_yandex_conv.bulk.throttle import check_window
from airflow_provider_yandex_conv.exceptions import ConfigurationError
from airflow_provider_yandex_conv.hooks.base import ConnectedHook

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.bulk.batch import BatchJournal, BatchRun, Work


class BulkMethods(ConnectedHook):
    """Creates, extends and deletes many conversations by one window of requests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._batch: BatchRun[Any] | None = None

    def create_conversations(
        self,
        conversations: Any,
        *,
        concurrency: int = 10,
        rate: float | None = None,
        on_ambiguous: Literal["recreate", "fail"] = "recreate",
        journal: BatchJournal | None = None,
    ) -> CreatedConversations:
        """
        Create many conversations, as fast as the quotas allow.

        ``POST /conversations`` for each -> as :meth:`create_conversation`. All back off together when a quota is used
        up. What one of them is refused for stops none of the others; what would meet all of them, such as a wrong key,
        stops the batch.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversation

        :param conversations: ``{"metadata"?: {str: str}, "items"?: [object]}`` for each: a list; an iterator, or a
            function that returns one; or the path or URL of a file with one such object in each line. It is read as it
            is needed.
        :param concurrency: how many requests may be under way at most.
        :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
        :param on_ambiguous: ``recreate`` creates again after an attempt whose outcome is unknown; a WARNING names that,
            and so do the ``orphans`` of the result. ``fail`` does not, and the failure is of the kind ``ambiguous``.
        :param journal: where it is kept how far the batch has come.
        :return: the ids in the order of the input, what failed by its place there, and why it stopped, if it did.
        :raises ConfigurationError: an argument or the connection cannot be used. Nothing was sent.
        :raises YandexAIStudioError: the journal cannot tell what was done before. Nothing was sent.
        """
        if on_ambiguous not in {"recreate", "fail"}:
            raise ConfigurationError(f"on_ambiguous must be 'recreate' or 'fail', got {on_ambiguous!r}")
        from airflow_provider_yandex_conv.bulk.creating import ConversationWork

        run = self._new_batch(
            "conversations",
            conversations,
            ConversationWork(may_recreate=on_ambiguous == "recreate"),
            concurrency=concurrency,
            rate=rate,
            journal=journal,
        )
        self._run_batch(run)
        return CreatedConversations(
            ids=run.results, failures=run.failures, orphans=run.orphans, stopped=run.stopped
        )

    def interrupt(self) -> None:
        """
        End all waiting and send nothing more; requests under way have 2.5 s left. Safe in a signal handler.

        :raises InterruptedCallError: in a signal handler, to end the setting up of a connection that it interrupts.
        """
        if self._batch is not None:
            self._batch.interrupt()
        super().interrupt()

    def _new_batch(
        self,
        what: str,
        given: Any,
        work: Work[Any],
        *,
        concurrency: int,
        rate: float | None,
        journal: BatchJournal | None,
    ) -> BatchRun[Any]:
        from airflow_provider_yandex_conv.async_client import AsyncClient
        from airflow_provider_yandex_conv.bulk.batch import BatchRun

        check_window(concurrency, rate)
        source = open_source(what, given, open_url)
        client = self._build(AsyncClient)
        client.log = _Muted()
        return BatchRun(
            client,
            work,
            source.specs,
            what=what,
            log=self.log,
            total=source.total,
            concurrency=concurrency,
            rate=rate,
            journal=journal,
        )

    def _run_batch(self, run: BatchRun[Any]) -> None:
        self._batch = run
        if self._interrupted:
            run.interrupt()
        try:
            run.run()
        finally:
            self._batch = None


class _Muted:
    """The log of a client whose every request would be a line or two: the batch tells of them together."""

    def info(self, event: Any, /, *args: Any) -> None:
        """Write nothing."""

    def warning(self, event: Any, /, *args: Any) -> None:
        """Write nothing."""
