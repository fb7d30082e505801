"""The decisions of sending a call, whichever client it is: what an attempt amounts to, and whether another follows."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from typing import Any, Generic, Protocol

import tenacity

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, Safety, T
from airflow_provider_yandex_conv.auth.credential import Authorization
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    InterruptedCallError,
    NotFoundError,
    YandexAIStudioError,
)


class Log(Protocol):
    """What is used of a logger; Airflow's own is none of the standard library's."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Write a line."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Write a line that somebody should read."""


class AttemptJournal(Protocol):
    """Where attempts of a call that creates something are noted, so that they are known of after the process died."""

    def begin(self, client_request_id: str) -> None:
        """
        Note an attempt before it is sent. If this raises, it is not sent.

        :param client_request_id: the ``x-client-request-id`` that the attempt will carry.
        :raises YandexAIStudioError: it cannot be noted; another attempt follows where the error is transient.
        """

    def refused(self, client_request_id: str) -> None:
        """Note that an attempt was certainly not applied. What is not noted so may have been."""


#: Told of each attempt whose outcome is unknown, before the call is sent again.
LostAttemptCallback = Callable[[AmbiguousOutcomeError], None]


class Sender(Protocol):
    """What is asked of a client, of either kind."""

    log: Log
    connection_id: str | None

    @property
    def is_interrupted(self) -> bool:
        """Whether no attempt may begin any more."""

    def refuse(self, authorization: Authorization | None) -> bool:
        """Note that the API answered 401; return whether another token can be had."""

    def note_cut(self, cut: AmbiguousOutcomeError) -> None:
        """Keep what is known of a creating request that was cut off from outside."""


class Caller(Protocol):
    """What is asked of a client by who makes several calls for one purpose, one after the other."""

    endpoint: Endpoint
    retry: RequestRetry
    log: Log
    connection_id: str | None
    cut_off: YandexAIStudioError | None

    def send(self, call: Call[T], *, journal: AttemptJournal | None = None) -> T:
        """Send a call, as ``Client.send`` does."""

    def pause(self, seconds: float) -> None:
        """Wait, or return at once when told to stop."""


class Sending(Generic[T]):
    """
    One call on its way.

    A client drives it, for each attempt: :meth:`begin`; getting an authorization, :meth:`leave` and the exchange; and
    :meth:`settle` with whatever one of those three raises. It makes the first attempt by itself, and has ``tenacity``
    decide only on what that has met, as nearly all end there: the bookkeeping of ``tenacity`` costs a third of a call.

    :param on_lost: allows a call that creates to be sent again after an attempt whose outcome is unknown.
    :param journal: told of the attempts of a call that creates; not used for others.
    :param client_request_id: what each attempt carries; None for a new id for each.
    """

    def __init__(
        self,
        sender: Sender,
        call: Call[T],
        retry: RequestRetry,
        *,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
        client_request_id: str | None = None,
    ) -> None:
        self._sender = sender
        self._call = call
        self._retry = retry
        self._on_lost = on_lost
        self._creates = call.safety is Safety.CREATES
        self._journal = journal if self._creates else None
        #: What the first attempt has met, for ``tenacity`` to begin with.
        self.met: YandexAIStudioError | None = None
        self._started_at = time.monotonic()
        self._attempt_number = 0
        self._authorization: Authorization | None = None
        self._given_id = client_request_id
        self._client_request_id = ""
        self._left = False
        self._refreshed = False
        self._lost: tuple[str, ...] = ()
        self._delay = 0.0

    @property
    def crank(self) -> dict[str, Any]:
        """The arguments of ``tenacity.Retrying`` or ``tenacity.AsyncRetrying``, but for how to sleep."""
        return {
            "retry": self._wants_another,
            "wait": lambda _: self._delay,
            "stop": tenacity.stop_never,
            "before_sleep": self._announce,
            "reraise": True,
        }

    def begin(self) -> None:
        """
        Count an attempt.

        :raises InterruptedCallError: no attempt may begin any more.
        :raises YandexAIStudioError: what the first attempt has met, in place of making it again.
        """
        self.raise_met()
        if self._sender.is_interrupted:
            raise self._with_lost(
                InterruptedCallError(f"{self._call.name}: told to stop before attempt {self._attempt_number + 1}")
            )
        self._attempt_number += 1
        self._authorization = None
        self._client_request_id = self._given_id or str(uuid.uuid4())
        self._left = False

    def raise_met(self) -> None:
        """
        Do nothing, but for the first time that ``tenacity`` asks for an attempt: that has been made.

        :raises YandexAIStudioError: what the first attempt has met.
        """
        if self.met is not None:
            met, self.met = self.met, None
            raise met

    def leave(self, authorization: Authorization | None) -> str:
        """
        Note that the attempt is about to be sent.

        :param authorization: what it carries in its ``Authorization`` header.
        :return: the ``x-client-request-id`` that it carries.
        :raises InterruptedCallError: no attempt may leave any more.
        :raises Exception: what the journal raises; the attempt must not be sent.
        """
        self._authorization = authorization
        if self._journal is not None:
            self._journal.begin(self._client_request_id)
        if self._sender.is_interrupted:  # meanwhile, or while a token was fetched
            if self._journal is not None:
                self._journal.refused(self._client_request_id)
            raise InterruptedCallError(f"told to stop before attempt {self._attempt_number} was sent")
        if self._creates:
            # If the process is killed during the request, this line is what is left of it.
            self._sender.log.info(
                "%s: attempt %d of %d, x-client-request-id %s",
                self._call.name,
                self._attempt_number,
                self._retry.attempts,
                self._client_request_id,
            )
        self._left = True
        return self._client_request_id

    def settle(self, error: BaseException) -> T:
        """
        Return what a failed attempt amounts to, where it is a success after all, or raise what it is.

        :param error: what the attempt ended with, of any kind.
        :raises AmbiguousOutcomeError: the call creates something, and whether it did is not known.
        :raises YandexAIStudioError: what else it amounts to; ``error`` itself where it is none of ours.
        """
        if not isinstance(error, YandexAIStudioError):
            if self._creates and self._left:
                self._tell_of_cut(error)
            raise error
        if self._left:
            error.client_request_id = self._client_request_id
            error.connection_id = self._sender.connection_id
            if self._journal is not None and error.applied is False:
                self._journal.refused(self._client_request_id)
        return self._result_of(error)

    @property
    def time_for_an_attempt(self) -> float:
        """
        The seconds that an attempt may take.

        A repeatable call is cut off at the end of the time budget. One that creates is not: cut off, it would be
        ambiguous for no other reason than our haste.
        """
        return float("inf") if self._creates else self.time_left

    @property
    def time_left(self) -> float:
        """What is left of the time budget, in seconds."""
        return max(0.001, self._retry.timeout - self._elapsed())

    def _tell_of_cut(self, stop: BaseException) -> None:
        """Warn of a request that was cut off from outside, by a time limit of the task or by a signal."""
        cut = AmbiguousOutcomeError(
            f"{self._call.name}: the request was cut off by {type(stop).__name__}",
            client_request_ids=(*self._lost, self._client_request_id),
        )
        cut.connection_id = self._sender.connection_id
        self._sender.log.warning("%s", cut)
        self._sender.note_cut(cut)

    def _result_of(self, error: YandexAIStudioError) -> T:
        if isinstance(error, NotFoundError) and self._lost and self._call.if_gone is not None:
            return self._call.if_gone
        if error.applied is None and self._left:  # else it is of what comes before sending, such as the journal
            self._lost += (error.client_request_id or "",)
            if self._creates:
                ambiguous = AmbiguousOutcomeError(
                    f"{self._call.name}: the outcome is unknown: {error.message}",
                    client_request_ids=self._lost,
                    client_request_id=error.client_request_id,
                    request_id=error.request_id,
                    server_trace_id=error.server_trace_id,
                    retry_after=error.retry_after,
                )
                ambiguous.connection_id = error.connection_id
                ambiguous.transient = error.transient
                raise ambiguous from error
        error.message = f"{self._call.name}: {error.message}"
        raise self._with_lost(error)

    def _with_lost(self, error: YandexAIStudioError) -> YandexAIStudioError:
        """Add the attempts that may have created something, which the last one says nothing of."""
        if self._creates:
            error.lost_client_request_ids = self._lost
        return error

    def _wants_another(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, YandexAIStudioError) or isinstance(error, InterruptedCallError):
            return False
        if self._sender.is_interrupted:
            error.gave_up = "No further attempt is made, as the task was told to stop"
            return False
        if isinstance(error, AuthenticationError) and self._has_another_token():
            self._delay = 0.0
            return True
        safety = self._call.safety if self._on_lost is None else Safety.REPEATABLE
        delay = self._retry.delay(error, safety, self._attempt_number, random.random())
        if delay is None:
            error.gave_up = self._retry.why_not(error, safety, self._attempt_number)
            return False
        if self._elapsed() + delay > self._retry.timeout:
            error.gave_up = (
                f"Gave up after {self._attempt_number} attempts, as the next would begin later than the allowed "
                f"{self._retry.timeout:g} s"
            )
            return False
        self._delay = delay
        return True

    def _has_another_token(self) -> bool:
        """Whether a request that was answered 401 is sent again: once per call, with another token."""
        if self._refreshed or not self._sender.refuse(self._authorization):
            return False
        self._refreshed = True
        return self._attempt_number < self._retry.attempts and self._elapsed() <= self._retry.timeout

    def _announce(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, AmbiguousOutcomeError) and self._on_lost is not None:
            self._on_lost(error)
        cause = error.__cause__ if isinstance(error, AmbiguousOutcomeError) else error
        if isinstance(cause, YandexAIStudioError):
            self._sender.log.info(
                "%s: attempt %d of %d failed: %s; the next one follows in %.2f s",
                self._call.name,
                self._attempt_number,
                self._retry.attempts,
                summary(cause),
                self._delay,
            )

    def _elapsed(self) -> float:
        return time.monotonic() - self._started_at


def summary(error: YandexAIStudioError) -> str:
    """Return the kind, status and ids of an error; its text only where no server had a hand in it."""
    what = error.message if isinstance(error, APIConnectionError) else type(error).__name__
    parts = {
        "HTTP": error.status if isinstance(error, APIStatusError) else None,
        "x-client-request-id": error.client_request_id,
        "x-request-id": error.request_id,
        "x-server-trace-id": error.server_trace_id,
    }
    return ", ".join([what, *(f"{name} {value}" for name, value in parts.items() if value is not None)])
