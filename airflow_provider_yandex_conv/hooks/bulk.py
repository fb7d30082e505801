"""
The methods of the hook for many at once.

What a batch takes is imported by the method that runs one, as most tasks run none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow_provider_yandex_conv._compat import object_storage_path
from airflow_provider_yandex_conv.api.arguments import check_choice, check_window
from airflow_provider_yandex_conv.hooks.base import ConnectedHook
from airflow_provider_yandex_conv.hooks.unsupported import delete_conversation

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.bulk.batch import BatchRun
    from airflow_provider_yandex_conv.bulk.job import BatchJournal, Work
    from airflow_provider_yandex_conv.bulk.outcome import AddedItems, Batch, CreatedConversations, DeletedConversations

AnyBatch = TypeVar("AnyBatch", bound="Batch[Any]")


class BulkMethods(ConnectedHook):
    """Creates, extends and deletes many conversations by one window of requests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._batch: BatchRun[Any] | None = None
        #: What came of a batch that was cut off from outside: by a time limit of the task or by a signal.
        self.unfinished: Batch[Any] | None = None

    def create_conversations(
        self,
        conversations: Any,
        *,
        metadata: Mapping[str, str] | None = None,
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
        :param metadata: pairs for each of them; those of its own come first.
        :param concurrency: how many requests may be under way at most. Somewhat above the quota is best, as the number
            is lowered while the server says that it is too high.
        :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
        :param on_ambiguous: ``recreate`` creates again after an attempt whose outcome is unknown; a WARNING names that,
            and so do the ``orphans`` of the result. ``fail`` does not, and the failure is of the kind ``ambiguous``.
        :param journal: where it is kept how far the batch has come.
        :return: the ids in the order of the input, what failed by its place there, and why it stopped, if it did.
        :raises ConfigurationError: an argument or the connection cannot be used. Nothing was sent.
        :raises YandexAIStudioError: never of one conversation alone.
        """
        check_choice("on_ambiguous", on_ambiguous, "recreate", "fail")
        check_window(concurrency, rate)
        from airflow_provider_yandex_conv.bulk.creating import ConversationWork
        from airflow_provider_yandex_conv.bulk.outcome import CreatedConversations

        run = self._new_batch(
            "conversations",
            conversations,
            ConversationWork(may_recreate=on_ambiguous == "recreate", metadata=metadata or {}),
            concurrency=concurrency,
            rate=rate,
            journal=journal,
            may_repeat=on_ambiguous == "recreate",
        )
        return self._run_batch(run, CreatedConversations)

    def add_items_to_conversations(
        self,
        additions: Any,
        *,
        concurrency: int = 10,
        rate: float | None = None,
        on_ambiguous: Literal["reconcile", "fail"] = "reconcile",
        journal: BatchJournal | None = None,
    ) -> AddedItems:
        """
        Add items to many conversations, as fast as the quotas allow; to each as :meth:`add_items` does.

        ``POST /conversations/{conversation_id}/items`` for each -> as :meth:`add_items`.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversationItems

        :param additions: ``{"conversation_id": str, "items": [object]}`` for each, given as the ``conversations`` of
            :meth:`create_conversations` are. Each conversation may come once only, as the order is not kept.
        :param concurrency: how many requests may be under way at most.
        :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
        :param on_ambiguous: as of :meth:`add_items`; with ``fail`` the failure is of the kind ``ambiguous``.
        :param journal: where it is kept how far the batch has come.
        :return: the ids of the new items for each, what failed by its place, and why it stopped, if it did.
        :raises ConfigurationError: an argument or the connection cannot be used. Nothing was sent.
        :raises YandexAIStudioError: never of one addition alone.
        """
        check_choice("on_ambiguous", on_ambiguous, "reconcile", "fail")
        check_window(concurrency, rate)
        from airflow_provider_yandex_conv.bulk.outcome import AddedItems
        from airflow_provider_yandex_conv.bulk.threads import ThreadedWork
        from airflow_provider_yandex_conv.hooks.additions import Addition

        addition = Addition(reconcile=on_ambiguous == "reconcile", is_durable=journal is not None)
        run = self._new_batch(
            "additions",
            additions,
            ThreadedWork(addition, threads=concurrency, notes_itself=True, log=self.log),
            concurrency=concurrency,
            rate=rate,
            journal=journal,
            may_repeat=addition.reconcile,
        )
        return self._run_batch(run, AddedItems)

    def delete_conversations(
        self,
        conversation_ids: Any,
        *,
        ignore_missing: bool = False,
        concurrency: int = 10,
        rate: float | None = None,
    ) -> DeletedConversations:
        """
        Delete many conversations, as fast as the quotas allow; each as :meth:`delete_conversation` does.

        ``DELETE /conversations/{conversation_id}`` for each -> as :meth:`delete_conversation`.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/deleteConversation

        :param conversation_ids: an id for each, as the ``conversations`` of :meth:`create_conversations` may be given.
            None stands for one that was never created, and counts as one that is not there.
        :param ignore_missing: whether a conversation that is not there is no failure.
        :param concurrency: how many requests may be under way at most.
        :param rate: how many requests may be sent in a second at most; None for as many as the quotas allow.
        :return: what was deleted, what failed by its place in the input, and why it stopped, if it did.
        :raises ConfigurationError: an argument or the connection cannot be used. Nothing was sent.
        :raises YandexAIStudioError: never of one conversation alone.
        """
        check_window(concurrency, rate)
        from airflow_provider_yandex_conv.bulk.muted import Quiet
        from airflow_provider_yandex_conv.bulk.outcome import DeletedConversations
        from airflow_provider_yandex_conv.bulk.source import checked
        from airflow_provider_yandex_conv.bulk.threads import ThreadedWork, WindowClient

        def delete(client: WindowClient) -> bool:
            conversation_id = checked(client.job.spec)
            if conversation_id is None:
                return False
            return delete_conversation(client, conversation_id, ignore_missing=ignore_missing)

        run = self._new_batch(
            "conversations",
            conversation_ids,
            ThreadedWork(delete, threads=concurrency, notes_itself=False, log=Quiet(self.log)),
            concurrency=concurrency,
            rate=rate,
            journal=None,
            may_repeat=True,
        )
        return self._run_batch(run, DeletedConversations)

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
        may_repeat: bool,
    ) -> BatchRun[Any]:
        from airflow_provider_yandex_conv.async_client import AsyncClient
        from airflow_provider_yandex_conv.bulk.batch import BatchRun
        from airflow_provider_yandex_conv.bulk.muted import Muted
        from airflow_provider_yandex_conv.bulk.source import open_source
        from airflow_provider_yandex_conv.bulk.throttle import Throttle

        source = open_source(what, given, lambda url: object_storage_path(url).open())
        client = self._build(AsyncClient)
        client.log = Muted()
        throttle = Throttle(concurrency=concurrency, rate=rate, retry=client.retry)
        return BatchRun(client, work, source, throttle, what=what, log=self.log, journal=journal, may_repeat=may_repeat)

    def _run_batch(self, run: BatchRun[Any], kind: type[AnyBatch]) -> AnyBatch:
        self._batch = run
        if self._interrupted:
            run.interrupt()
        try:
            run.run()
        except BaseException:
            self.unfinished = _outcome_of(run, kind)
            raise
        finally:
            self._batch = None
        return _outcome_of(run, kind)


def _outcome_of(run: BatchRun[Any], kind: type[AnyBatch]) -> AnyBatch:
    return kind(results=run.results, failures=run.failures, orphans=run.orphans, stopped=run.stopped)
