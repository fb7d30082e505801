"""One model response for one task, over all its tries: it bills, so it is asked for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api import answers, responses
from airflow_provider_yandex_conv.api.response_models import ModelResponse
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    NotFoundError,
    PollTimeoutError,
    ResponseError,
    TaskSupersededError,
)
from airflow_provider_yandex_conv.polling import Polling, PollSchedule

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.client import Client
    from airflow_provider_yandex_conv.durable import Ledger, Record
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
    from airflow_provider_yandex_conv.sending import Log

OnAmbiguous = Literal["recover", "fail", "recreate"]
#: What the ledger calls the item that was last in the conversation before the request was sent.
_AFTER = "after"
_RESPONSE_ID = "response_id"


@dataclass(frozen=True, kw_only=True)
class Question:
    """
    What is asked.

    :param call: the request, complete.
    :param conversation_id: where it is asked; None outside of any conversation.
    :param items: the input as the items that a conversation holds for it.
    :param timeout: seconds to wait for the answer; once more where it is asked again.
    :param poll_interval: the longest wait before the second look for it, in seconds.
    """

    call: Call[ModelResponse]
    conversation_id: str | None
    items: Sequence[Mapping[str, Any]]
    timeout: float
    poll_interval: float


class ResponseAsker:
    """
    Asks for a response, or finds that of an earlier try, or what it left in the conversation.

    :param require: returns what the response is wanted for, or raises a ``ResponseError`` where it is no use.
    :param ledger: what earlier tries did; None where nothing is kept over the tries.
    """

    def __init__(
        self,
        hook: YandexAIStudioHook,
        question: Question,
        *,
        on_ambiguous: OnAmbiguous,
        require: Callable[[ModelResponse], Any],
        ledger: Ledger | None,
        log: Log,
    ) -> None:
        self._hook = hook
        self._question = question
        #: Unix seconds, when the answer is waited for no longer.
        self.deadline = time.time() + question.timeout
        self._schedule = PollSchedule(interval=question.poll_interval, deadline=self.deadline)
        self._on_ambiguous = on_ambiguous
        self._require = require
        self._ledger = ledger
        self._log = log
        #: The item after which an answer would stand; only known where ``_has_anchor``.
        self._after: str | None = None
        self._has_anchor = False

    def ask(self) -> ModelResponse:
        """
        Return the response of this task, which may be in the making still.

        Where it was recovered from the conversation, its id is empty, and what it cost is not known.

        :raises AirflowFailException: asking again might pay twice, and must not.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        return self._find(self._ledger) or self._ask()

    def wait(self, response: ModelResponse) -> ModelResponse:
        """
        Wait in this task until a response has come to its end.

        :raises PollTimeoutError: the deadline has passed.
        :raises InterruptedCallError: the task was told to stop.
        """
        call = responses.get(response.id)
        polling: Polling[ModelResponse] = Polling(
            f"response {response.id}", self._schedule, lambda found: found.is_terminal, log=self._log
        )
        return polling.drive(lambda: self._client.send(call), pause=self._client.pause)

    def cancel(self, response: ModelResponse) -> None:
        """Cancel a response in the making, as well as that can be done; the log says what came of it."""
        try:
            now = self._client.uninterrupted().send(responses.cancel(response.id))
        except Exception as error:  # the task is being stopped for another reason, which must not be hidden
            self._log.warning("Response %s could not be cancelled, and may be billed: %s", response.id, error)
        else:
            self._log.info("Told to stop: response %s is %s now", response.id, now.status)

    @property
    def _client(self) -> Client:
        return self._hook.get_conn()

    def _find(self, ledger: Ledger | None) -> ModelResponse | None:
        """Return the response of an earlier try, or None where there is none that is of use."""
        if ledger is None:
            return None
        if ledger.put_aside is not None:
            self._put_aside(ledger.put_aside, because=ledger.put_aside_because)
        earlier = ledger.earlier
        if earlier is None:
            return None
        if _AFTER in earlier.created:
            self._after, self._has_anchor = earlier.created[_AFTER], True
        if _RESPONSE_ID in earlier.created:
            return self._look_up(ledger, str(earlier.created[_RESPONSE_ID]))
        if earlier.client_request_ids:
            reason = "an earlier try of this task ended before it could note an answer"
            return self._recover(earlier.client_request_ids, reason)
        return None

    def _look_up(self, ledger: Ledger, response_id: str) -> ModelResponse | None:
        try:
            response = self._hook.get_response(response_id)
        except NotFoundError as error:
            return self._recover((), f"response {response_id} of an earlier try of this task is gone: {error.message}")
        if response.is_terminal:
            try:
                self._require(response)
            except ResponseError as error:
                self._log.warning(
                    "Asking, and paying, again: response %s, which an earlier try asked for, is of no use: %s",
                    response_id,
                    error,
                )
                usage = ledger.earlier.created.get("usage", {}) if ledger.earlier else {}
                ledger.forget()
                ledger.note(usage=usage)
                return None
        self._log.info("Using response %s, which an earlier try of this task asked for", response_id)
        return response

    def _ask(self) -> ModelResponse:
        self._anchor()
        try:
            return self._send()
        except AmbiguousOutcomeError as lost:
            recovered = self._recover(lost.client_request_ids[-1:], lost.message, lost)
            return recovered or self._ask_once_more()
        except BaseException as stop:
            # A time limit of the task, or a signal, in the middle of the request: Airflow would retry the task.
            cut = self._hook.cut_off
            if cut is None or self._on_ambiguous == "recreate" or (self._ledger is not None and self._can_recover):
                raise
            raise _not_retried(str(cut)) from stop

    def _ask_once_more(self) -> ModelResponse:
        """Send the request again after one whose answer was lost; a second loss is final."""
        try:
            return self._send()
        except AmbiguousOutcomeError as lost:
            raise _not_retried(f"{lost} That was the second request.") from lost

    def _send(self) -> ModelResponse:
        response = self._client.send(self._question.call, journal=self._ledger)
        self._keep(response)
        self._log.info("Response %s is %s (request %s)", response.id, response.status, response.request_id)
        return response

    def _anchor(self) -> None:
        """Note which item is last in the conversation, so that an answer can be looked for after it."""
        conversation_id = self._question.conversation_id
        if conversation_id is None or self._on_ambiguous == "fail":
            return
        last = next(iter(self._hook.list_items(conversation_id, order="desc", limit=1)), None)
        self._after, self._has_anchor = (last.id if last else None), True
        if self._ledger is not None:
            self._ledger.note(**{_AFTER: self._after})

    def _keep(self, response: ModelResponse) -> None:
        if self._ledger is None:
            return
        try:
            self._ledger.keep(f"response {response.id}", **{_RESPONSE_ID: response.id})
        except TaskSupersededError as superseded:
            # Where the note may have arrived all the same, the try that took over may wait for it.
            if superseded.applied is False and not response.is_terminal:
                self.cancel(response)
            with suppress(Exception):  # the log may have gone with the supervisor
                self._log.warning(
                    "Response %s was asked for by a try that has been superseded; it is billed as far as it came",
                    response.id,
                )
            raise

    @property
    def _can_recover(self) -> bool:
        return self._has_anchor and self._on_ambiguous != "fail"

    def _recover(
        self, client_request_ids: Sequence[str], reason: str, lost: AmbiguousOutcomeError | None = None
    ) -> ModelResponse | None:
        """
        Look in the conversation for the answer to a request of which none came.

        :return: None where there is none, and another request may be sent.
        """
        sent = f" (x-client-request-id {', '.join(client_request_ids)})" if client_request_ids else ""
        what = f"create response{sent}: {reason}"
        if self._can_recover:
            self._log.warning("%s. Looking for the answer in the conversation", what)
            found, seen = self._look_for_answer()
            if found is not None:
                return found
            what = f"{what}. {seen}"
        if self._on_ambiguous == "recreate":
            self._log.warning("%s. Asking, and perhaps paying, again, as on_ambiguous is 'recreate'", what)
            if self._ledger is not None:
                self._ledger.forget()
            self.deadline = time.time() + self._question.timeout  # what is asked now has all its time before it
            self._schedule = replace(self._schedule, deadline=self.deadline)
            return None
        if self._can_recover and self._ledger is not None:
            raise AmbiguousOutcomeError(f"{what}. A retry looks again", client_request_ids=tuple(client_request_ids))
        raise _not_retried(what) from lost

    def _look_for_answer(self) -> tuple[ModelResponse | None, str]:
        """Return the one answer that the conversation holds, or None and what was seen instead."""
        question = self._question
        conversation_id = str(question.conversation_id)
        stored: list[Item] = []

        def look() -> list[answers.StoredAnswer]:
            stored[:] = self._hook.list_items(conversation_id, after=self._after)
            return answers.answers_to(question.items, stored)

        polling: Polling[list[answers.StoredAnswer]] = Polling(
            f"answer in conversation {conversation_id}", self._schedule, bool, log=self._log
        )
        try:
            found = polling.drive(look, pause=self._client.pause)
        except PollTimeoutError:
            kinds = ", ".join(item.role or item.type for item in stored[:10]) or "none"
            place = f"after item {self._after}" if self._after else "from its beginning"
            return None, f"Conversation {conversation_id} holds no answer to it {place}; items there: {kinds}"
        if len(found) > 1:
            return None, f"Conversation {conversation_id} holds {len(found)} answers to the same input"
        self._log.warning(
            "Recovered the answer from conversation %s (items %s); its response id and what it cost are not known",
            conversation_id,
            ", ".join(item.id for item in found[0].items),
        )
        return ModelResponse(id="", status="completed", output=found[0].items, conversation_id=conversation_id), ""

    def _put_aside(self, record: Record, *, because: str) -> None:
        """Say what a record that does not count any more leaves behind."""
        if _RESPONSE_ID in record.created:
            self._log.warning(
                "Asking, and paying, again, as %s: there is response %s of before",
                because,
                record.created[_RESPONSE_ID],
            )
        if record.client_request_ids:
            self._log.warning(
                "Asking again, as %s: a request of before, of which no answer was noted, may have been billed "
                "(x-client-request-id %s)",
                because,
                ", ".join(record.client_request_ids),
            )


def _not_retried(what: str) -> AirflowFailException:
    return AirflowFailException(f"{what.rstrip('.')}. The task is not retried, as asking again may pay twice.")
