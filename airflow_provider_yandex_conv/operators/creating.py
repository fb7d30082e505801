"""One conversation for one task, over all its tries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, NotFoundError, TaskSupersededError
from airflow_provider_yandex_conv.operators.stamp import describe

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation
    from airflow_provider_yandex_conv.durable import Ledger, Record
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
    from airflow_provider_yandex_conv.sending import Log


class ConversationCreator:
    """
    Creates a conversation, or finds that of an earlier try.

    :param metadata: of the conversation, its stamp included.
    :param items: that it begins with.
    :param stamped: the pairs of the stamp, by which a conversation that was left behind can be told.
    :param may_recreate: whether to create again after an attempt whose outcome is unknown.
    :param may_replace: whether to create again where the conversation of an earlier try is gone.
    :param ledger: what earlier tries did; None where nothing is kept over the tries.
    """

    def __init__(
        self,
        hook: YandexAIStudioHook,
        *,
        metadata: Mapping[str, str] | None,
        items: Sequence[Mapping[str, Any]] | None,
        stamped: Mapping[str, str],
        may_recreate: bool,
        may_replace: bool,
        ledger: Ledger | None,
        log: Log,
    ) -> None:
        self._hook = hook
        self._metadata = metadata
        self._items = items
        self._marker = describe(stamped) or "not stamped"
        self._may_recreate = may_recreate
        self._may_replace = may_replace
        self._ledger = ledger
        self._log = log

    def create(self) -> Conversation:
        """
        Return the conversation of this task.

        :raises AirflowFailException: another one may or would come into being, and must not.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        return self._find(self._ledger) or self._create()

    @contextmanager
    def until_it_is_returned(self, conversation: Conversation) -> Iterator[None]:
        """
        Answer for a conversation that exists, and whose task may still be ended from outside.

        Where nothing is kept over the tries, a retry would create another one.

        :raises AirflowFailException: it must not.
        :raises InterruptedCallError: the task was told to stop.
        """
        try:
            yield
        except BaseException as stop:  # a time limit of the task, or a signal
            if self._ledger is None:
                self._leave(conversation, type(stop).__name__, stop)
            raise
        if self._ledger is None and self._hook.is_interrupted:
            self._leave(conversation, "the order to stop", None)

    def _leave(self, conversation: Conversation, what_came: str, stop: BaseException | None) -> None:
        if self._may_recreate:
            self._log.warning(
                "%s", self._take_back(conversation, f"was created before {what_came} came, and a retry creates another")
            )
            return
        raise _not_retried(f"Conversation {conversation.id} was created before {what_came} came.") from stop

    def _find(self, ledger: Ledger | None) -> Conversation | None:
        """Return the conversation of an earlier try, or None where there is none to be had."""
        if ledger is None:
            return None
        if ledger.put_aside is not None:
            self._put_aside(ledger.put_aside, because=ledger.put_aside_because, was_cleared=ledger.was_cleared)
        if ledger.earlier is None:
            return None
        if "id" in ledger.earlier.created:
            return self._look_up(ledger, str(ledger.earlier.created["id"]))
        if ledger.earlier.client_request_ids:
            self._answer_for(ledger.earlier.client_request_ids)
            ledger.settle()
        return None

    def _look_up(self, ledger: Ledger, conversation_id: str) -> Conversation | None:
        try:
            conversation = self._hook.get_conversation(conversation_id)
        except NotFoundError as error:
            if not self._may_replace:
                raise AirflowFailException(
                    f"{error} An earlier try of this task created it. The task is not retried, as on_missing is 'fail'."
                ) from error
            self._log.warning(
                "Conversation %s, which an earlier try of this task created, is gone; creating another, as on_missing "
                "is 'recreate'",
                conversation_id,
            )
            ledger.forget()
            return None
        self._log.info("Using conversation %s, which an earlier try of this task created", conversation.id)
        return conversation

    def _create(self) -> Conversation:
        def warn(lost: AmbiguousOutcomeError) -> None:
            self._warn("Creating again, as on_ambiguous is 'recreate'", lost.client_request_ids[-1:], lost.message)

        try:
            conversation = self._hook.create_conversation(
                metadata=self._metadata,
                items=self._items,
                on_lost=warn if self._may_recreate else None,
                journal=self._ledger,
            )
        except AmbiguousOutcomeError as lost:
            self._warn("Giving up", lost.client_request_ids[-1:], lost.message)
            if self._may_recreate:
                raise
            raise _not_retried(str(lost)) from lost
        except BaseException as stop:
            # A time limit of the task, or a signal, in the middle of the request: Airflow would retry the task.
            cut = self._hook.cut_off
            if cut is None or self._may_recreate:
                raise
            raise _not_retried(str(cut)) from stop
        self._keep(conversation)
        self._log.info("Created conversation %s (request %s)", conversation.id, conversation.request_id)
        return conversation

    def _keep(self, conversation: Conversation) -> None:
        if self._ledger is None:
            return
        try:
            self._ledger.keep(f"conversation {conversation.id}", id=conversation.id)
        except TaskSupersededError as superseded:
            what_was_done = self._take_back(
                conversation, "was created by a try that has been superseded", may_be_in_use=superseded.applied is None
            )
            with suppress(Exception):  # the log may have gone with the supervisor
                self._log.warning("%s", what_was_done)
            raise

    def _take_back(self, conversation: Conversation, why: str, *, may_be_in_use: bool = False) -> str:
        """Delete what nobody will ever hear of, where that harms nobody, and return what was done."""
        what = f"Conversation {conversation.id} ({self._marker}) {why}"
        if may_be_in_use:
            return f"{what}: it stays, as the try that took over may use it"
        if self._items:
            return f"{what}: it stays, as its items could not be reached any more once it is deleted; delete it by hand"
        try:
            self._hook.get_conn().uninterrupted().send(conversations.delete(conversation.id))
        except Exception as error:
            return f"{what}: it could not be deleted ({error}); delete it by hand"
        return f"{what}: it was deleted"

    def _answer_for(self, client_request_ids: Sequence[str]) -> None:
        """Decide on attempts of an earlier try that ended before their outcome was known."""
        reason = "an earlier try of this task ended before it could note an answer"
        if self._may_recreate:
            self._warn("Creating again, as on_ambiguous is 'recreate'", client_request_ids, reason)
            return
        self._warn("Giving up", client_request_ids, reason)
        ids = ", ".join(client_request_ids)
        raise _not_retried(f"create conversation: {reason} (x-client-request-id {ids}).")

    def _put_aside(self, record: Record, *, because: str, was_cleared: bool) -> None:
        """Say what a record that does not count any more leaves behind."""
        if "id" in record.created:
            self._log.warning(
                "Creating another conversation, as %s: conversation %s of before stays", because, record.created["id"]
            )
        if record.client_request_ids:
            if not self._may_recreate and not was_cleared:
                self._answer_for(record.client_request_ids)
            self._warn(f"Creating anew, as {because}", record.client_request_ids, "no answer was noted then")

    def _warn(self, decision: str, client_request_ids: Sequence[str], reason: str) -> None:
        self._log.warning(
            "%s: an attempt may have left a conversation behind that nobody can find again (x-client-request-id %s, "
            "metadata %s). %s",
            decision,
            ", ".join(client_request_ids),
            self._marker,
            reason,
        )


def _not_retried(what: str) -> AirflowFailException:
    return AirflowFailException(f"{what} The task is not retried, as on_ambiguous is 'fail'.")
