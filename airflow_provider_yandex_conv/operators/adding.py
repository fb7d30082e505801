"""One list of items added by one task, over all its tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, TaskSupersededError, YandexAIStudioError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.durable import Ledger, Record
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
    from airflow_provider_yandex_conv.sending import Log


class ItemsTask:
    """
    Adds items to a conversation, or what earlier tries left to add.

    :param on_ambiguous: as of the hook's ``add_items``.
    :param ledger: what earlier tries did; None where nothing is kept over the tries.
    """

    def __init__(
        self,
        hook: YandexAIStudioHook,
        conversation_id: str,
        items: Sequence[Mapping[str, Any]],
        *,
        on_ambiguous: Literal["reconcile", "fail"],
        ledger: Ledger | None,
        log: Log,
    ) -> None:
        self._hook = hook
        self._conversation_id = conversation_id
        self._items = items
        self._on_ambiguous: Literal["reconcile", "fail"] = on_ambiguous
        self._ledger = ledger
        self._log = log

    def add(self) -> list[str]:
        """
        Add the items and return the ids of all, those that earlier tries stored included.

        :raises AirflowFailException: items would be stored twice if the task were retried.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        if self._ledger is None:
            return self._add_in_one_try()
        if self._ledger.put_aside is not None:
            self._put_aside(
                self._ledger.put_aside,
                because=self._ledger.put_aside_because,
                was_cleared=self._ledger.was_cleared,
            )
        progress = LedgerProgress(self._ledger, self._conversation_id)
        if progress.is_begun:
            self._check_that_it_can_go_on(progress)
        try:
            self._hook.add_items(self._conversation_id, self._items, on_ambiguous=self._on_ambiguous, progress=progress)
        except AmbiguousOutcomeError as error:
            if self._on_ambiguous == "reconcile" and error.transient:
                raise  # what is stored can be read by the next try
            raise AirflowFailException(str(error)) from error
        except TaskSupersededError:
            with suppress(Exception):  # the log may have gone with the supervisor
                self._log.warning(
                    "Items were added to conversation %s by a try that has been superseded; the try that took over "
                    "looks for them (last noted: %s)",
                    self._conversation_id,
                    progress.item_ids[-1] if progress.item_ids else "none",
                )
            raise
        except BaseException as stop:
            cut = self._hook.cut_off
            if self._on_ambiguous == "fail" and isinstance(cut, AmbiguousOutcomeError):
                raise _not_retried(str(cut)) from stop
            raise
        return list(progress.item_ids)

    def _add_in_one_try(self) -> list[str]:
        try:
            stored = self._hook.add_items(self._conversation_id, self._items, on_ambiguous=self._on_ambiguous)
        except YandexAIStudioError as error:
            if error.stored_item_ids or isinstance(error, AmbiguousOutcomeError):
                raise AirflowFailException(str(error)) from error
            raise
        except BaseException as stop:
            # A time limit of the task, or a signal, in the middle of the request: Airflow would retry the task.
            if self._hook.cut_off is None:
                raise
            raise _not_retried(str(self._hook.cut_off)) from stop
        if stored and self._hook.is_interrupted:
            raise _not_retried(f"Told to stop after all items were stored, the last of them {stored[-1].id}.")
        return [item.id for item in stored]

    def _check_that_it_can_go_on(self, progress: LedgerProgress) -> None:
        if progress.client_request_ids and self._on_ambiguous == "fail":
            raise _unanswered(progress.client_request_ids, progress.item_ids)
        self._log.info(
            "An earlier try of this task stored %d of %d items in conversation %s; going on there",
            len(progress.item_ids),
            len(self._items),
            self._conversation_id,
        )

    def _put_aside(self, record: Record, *, because: str, was_cleared: bool) -> None:
        """
        Say what a record that does not count any more leaves behind.

        :raises AirflowFailException: that may be items, the author ruled out adding any twice, and no user cleared it.
        """
        ids = record.created.get("item_ids") or []
        if record.client_request_ids and self._on_ambiguous == "fail" and not was_cleared:
            raise _unanswered(record.client_request_ids, ids)
        if ids:
            self._log.warning(
                "Adding all items anew, as %s: %d items of before stay, the last of them %s", because, len(ids), ids[-1]
            )
        if record.client_request_ids:
            self._log.warning(
                "Adding all items anew, as %s: a request of before, of which no answer was noted, may have stored some "
                "(x-client-request-id %s)",
                because,
                ", ".join(record.client_request_ids),
            )


class LedgerProgress:
    """How far an add has come, in a ledger: the ``AddProgress`` of the hook."""

    def __init__(self, ledger: Ledger, conversation_id: str) -> None:
        self._ledger = ledger
        self._conversation_id = conversation_id
        earlier = ledger.earlier
        self.is_begun = earlier is not None
        self.knows_after = bool(earlier and earlier.created.get("knows_after"))
        self.after: str | None = earlier.created.get("after") if earlier else None
        self.item_ids: list[str] = list(earlier.created.get("item_ids", ())) if earlier else []
        self.client_request_ids: tuple[str, ...] = earlier.client_request_ids if earlier else ()
        self.sent_at = earlier.sent_at if earlier else None

    def begin(self, client_request_id: str) -> None:
        """Note an attempt before it is sent."""
        self._ledger.begin(client_request_id)

    def refused(self, client_request_id: str) -> None:
        """Note that an attempt was certainly not applied."""
        self._ledger.refused(client_request_id)

    def begin_after(self, item_id: str | None, *, is_known: bool) -> None:
        """Note the item that is last in the conversation, together with the next attempt."""
        self._ledger.note(after=item_id, knows_after=is_known)

    def store(self, item_ids: Sequence[str]) -> None:
        """Note items that are stored."""
        self.item_ids += item_ids
        self._ledger.keep(
            f"{len(self.item_ids)} items in conversation {self._conversation_id}",
            item_ids=list(self.item_ids),
            after=self.item_ids[-1],
            knows_after=True,
        )


def _unanswered(client_request_ids: Sequence[str], item_ids: Sequence[str]) -> AirflowFailException:
    ids = ", ".join(client_request_ids)
    return AirflowFailException(
        f"add items: an earlier try of this task ended before it could note an answer (x-client-request-id {ids}). "
        f"{len(item_ids)} items were stored before. The task is not retried, as on_ambiguous is 'fail'."
    )


def _not_retried(what: str) -> AirflowFailException:
    return AirflowFailException(f"{what} The task is not retried, as that may store items again.")
