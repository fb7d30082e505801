"""Sends calls: ``requests`` carries each attempt, ``tenacity`` turns the crank, ``RequestRetry`` decides."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol

import tenacity

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, Safety, T
from airflow_provider_yandex_conv.auth.credential import Authorization, Credential, TokenSource
from airflow_provider_yandex_conv.auth.secret import Mask, secrets_in
from airflow_provider_yandex_conv.auth.token import Token
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
from airflow_provider_yandex_conv.tokens import TokenCache

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.transport import Transport


class Log(Protocol):
    """What is used of a logger; Airflow's own is none of the standard library's."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Write a line."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Write a line that somebody should read."""


#: Told of each attempt whose outcome is unknown, before the call is sent again.
LostAttemptCallback = Callable[[AmbiguousOutcomeError], None]


class Client:
    """
    Sends calls to one endpoint with one credential.

    May be shared by threads. Nothing is imported, opened or sent before the first call.

    :param endpoint: where to, and how.
    :param credential: what goes into the ``Authorization`` header.
    :param retry: when a request is sent again.
    :param connection_id: id of the Airflow connection, for messages.
    :param log: gets one INFO line per retry, and one per attempt of a call that creates.
    :param mask: told of every secret that comes into being here, such as a token, to keep it out of logs.
    :param clock: gives Unix seconds, by which tokens expire.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credential: Credential,
        *,
        retry: RequestRetry | None = None,
        connection_id: str | None = None,
        log: Log | None = None,
        mask: Mask = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint = endpoint
        self.credential = credential
        self.retry = retry or RequestRetry()
        self.connection_id = connection_id
        self.log: Log = log or logging.getLogger(__name__)
        self._mask = mask
        self._clock = clock
        self._tokens = (
            TokenCache(partial(self._fetch_token, credential), clock=clock)
            if isinstance(credential, TokenSource)
            else None
        )
        self._transport: Transport | None = None
        self._transport_lock = threading.Lock()
        self._interrupted = False
        #: The call that creates something and was last cut off from outside: by a time limit of the task, by a signal.
        self.cut_off: AmbiguousOutcomeError | None = None
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def send(
        self, call: Call[T], *, retry: RequestRetry | None = None, on_lost: LostAttemptCallback | None = None
    ) -> T:
        """
        Send a call until it is answered, or until another attempt would be useless, unsafe or too late.

        :param retry: replaces the client's own for this call.
        :param on_lost: allows a call that creates to be sent again after an attempt whose outcome is unknown, and is
            told of every such attempt first. Without it, such an attempt ends the call.
        :raises AmbiguousOutcomeError: the call creates something, and whether it did is not known.
        :raises InterruptedCallError: :meth:`interrupt` was called.
        :raises YandexAIStudioError: what the last attempt met.
        """
        return _Sending(self, call, retry or self.retry, on_lost).run()

    def interrupt(self) -> None:
        """
        End all waiting, and begin no attempt any more. An attempt under way runs to its end.

        Safe in a signal handler: unlike an Event, the queue takes no lock that the interrupted code may hold.
        """
        self._interrupted = True
        self._wake.put(None)

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self._transport is not None:
            self._transport.close()

    @property
    def is_interrupted(self) -> bool:
        """Whether :meth:`interrupt` was called."""
        return self._interrupted

    def pause(self, seconds: float) -> None:
        """Wait, or return at once when interrupted."""
        try:
            self._wake.get(timeout=seconds)
        except queue.Empty:
            return
        self._wake.put(None)  # for the other threads that wait

    @property
    def transport(self) -> Transport:
        """The transport, made at the first use, as it imports ``requests``."""
        with self._transport_lock:
            if self._transport is None:
                from airflow_provider_yandex_conv.transport import Transport

                self._transport = Transport(self.endpoint, clock=self._clock)
            return self._transport

    def authorization(self, *, within: float) -> Authorization | None:
        """
        Return what goes into the ``Authorization`` header, or None for no such header.

        :param within: how long it may take to get a token, in seconds.
        :raises CredentialRefreshError: there is no token to be had.
        :raises ConfigurationError: what it takes to ask for one is missing or cannot be used.
        """
        if self._tokens is not None:
            token = self._tokens.get(within=within)
            return Authorization("Bearer", token.secret, token)
        if isinstance(self.credential, TokenSource) or self.credential.secret is None:
            return None
        return Authorization(self.credential.scheme, self.credential.secret)

    def refuse(self, authorization: Authorization | None) -> bool:
        """
        Note that the API answered 401.

        :return: whether another token can be had.
        """
        if self._tokens is None or authorization is None or authorization.token is None:
            return False
        return self._tokens.refuse(authorization.token)

    def _fetch_token(self, source: TokenSource, within: float) -> Token:
        call = source.token_call(self._clock())
        for secret in secrets_in(call.request.body):
            secret.register(self._mask)
        client_request_id = str(uuid.uuid4())
        try:
            token = self.transport.exchange(
                call.request, call.parse, client_request_id=client_request_id, within=within
            )
        except YandexAIStudioError as error:
            error.client_request_id = client_request_id
            error.message = f"{call.name}: {error.message}"
            raise
        token.secret.register(self._mask)
        return token


class _Sending(Generic[T]):
    """One call on its way: what was tried, what was lost, and what comes next."""

    def __init__(self, client: Client, call: Call[T], retry: RequestRetry, on_lost: LostAttemptCallback | None) -> None:
        self.client = client
        self.call = call
        self.retry = retry
        self.on_lost = on_lost
        self.started_at = time.monotonic()
        self.attempt_number = 0
        self.authorization: Authorization | None = None
        self.refreshed = False
        self.lost: tuple[str, ...] = ()
        self.delay = 0.0

    def run(self) -> T:
        crank = tenacity.Retrying(
            retry=self._wants_another,
            wait=lambda _: self.delay,
            stop=tenacity.stop_never,
            before_sleep=self._announce,
            sleep=self.client.pause,
            reraise=True,
        )
        return crank(self._attempt)

    def _attempt(self) -> T:
        if self.client.is_interrupted:
            raise self._with_lost(
                InterruptedCallError(f"{self.call.name}: told to stop before attempt {self.attempt_number + 1}")
            )
        self.attempt_number += 1
        try:
            self.authorization = self.client.authorization(within=self._time_left())
            return self._exchange()
        except YandexAIStudioError as error:
            return self._settle(error)

    def _exchange(self) -> T:
        client_request_id = str(uuid.uuid4())
        if self.call.safety is Safety.CREATES:
            # If the process is killed during the request, this line is what is left of it.
            self.client.log.info(
                "%s: attempt %d of %d, x-client-request-id %s",
                self.call.name,
                self.attempt_number,
                self.retry.attempts,
                client_request_id,
            )
        try:
            return self.client.transport.exchange(
                self.call.request,
                self.call.parse,
                client_request_id=client_request_id,
                within=self._time_for_an_attempt(),
                authorization=self.authorization,
            )
        except YandexAIStudioError as error:
            error.client_request_id = client_request_id
            error.connection_id = self.client.connection_id
            raise
        except BaseException as stop:
            if self.call.safety is Safety.CREATES:
                self._tell_of_cut(stop, client_request_id)
            raise

    def _tell_of_cut(self, stop: BaseException, client_request_id: str) -> None:
        """Warn of a request that was cut off from outside, by a time limit of the task or by a signal."""
        cut = AmbiguousOutcomeError(
            f"{self.call.name}: the request was cut off by {type(stop).__name__}",
            client_request_ids=(*self.lost, client_request_id),
        )
        cut.connection_id = self.client.connection_id
        self.client.log.warning("%s", cut)
        self.client.cut_off = cut

    def _settle(self, error: YandexAIStudioError) -> T:
        """Return what a failed attempt amounts to, where it is a success after all, or raise what it is."""
        if isinstance(error, NotFoundError) and self.lost and self.call.if_gone is not None:
            return self.call.if_gone
        if error.applied is None:
            self.lost += (error.client_request_id or "",)
            if self.call.safety is Safety.CREATES:
                ambiguous = AmbiguousOutcomeError(
                    f"{self.call.name}: the outcome is unknown: {error.message}",
                    client_request_ids=self.lost,
                    client_request_id=error.client_request_id,
                    request_id=error.request_id,
                    server_trace_id=error.server_trace_id,
                    retry_after=error.retry_after,
                )
                ambiguous.connection_id = error.connection_id
                ambiguous.transient = error.transient
                raise ambiguous from error
        error.message = f"{self.call.name}: {error.message}"
        raise self._with_lost(error)

    def _with_lost(self, error: YandexAIStudioError) -> YandexAIStudioError:
        """Add the attempts that may have created something, which the last one says nothing of."""
        if self.call.safety is Safety.CREATES:
            error.lost_client_request_ids = self.lost
        return error

    def _time_for_an_attempt(self) -> float:
        """
        Return the seconds that an attempt may take.

        A repeatable call is cut off at the end of the time budget. One that creates is not: cut off, it would be
        ambiguous for no other reason than our haste.
        """
        if self.call.safety is Safety.CREATES:
            return float("inf")
        return self._time_left()

    def _time_left(self) -> float:
        """Return what is left of the time budget, in seconds."""
        return max(0.001, self.retry.timeout - self._elapsed())

    def _wants_another(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, YandexAIStudioError) or isinstance(error, InterruptedCallError):
            return False
        if isinstance(error, AuthenticationError) and self._has_another_token():
            self.delay = 0.0
            return True
        safety = self.call.safety if self.on_lost is None else Safety.REPEATABLE
        delay = self.retry.delay(error, safety, self.attempt_number, random.random())
        if delay is None:
            error.gave_up = self.retry.why_not(error, safety, self.attempt_number)
            return False
        if self._elapsed() + delay > self.retry.timeout:
            error.gave_up = (
                f"Gave up after {self.attempt_number} attempts, as the next would begin later than the allowed "
                f"{self.retry.timeout:g} s"
            )
            return False
        self.delay = delay
        return True

    def _has_another_token(self) -> bool:
        """Whether a request that was answered 401 is sent again: once per call, with another token."""
        if self.refreshed or not self.client.refuse(self.authorization):
            return False
        self.refreshed = True
        return self.attempt_number < self.retry.attempts and self._elapsed() <= self.retry.timeout

    def _announce(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, AmbiguousOutcomeError) and self.on_lost is not None:
            self.on_lost(error)
        cause = error.__cause__ if isinstance(error, AmbiguousOutcomeError) else error
        if isinstance(cause, YandexAIStudioError):
            self.client.log.info(
                "%s: attempt %d of %d failed: %s; the next one follows in %.2f s",
                self.call.name,
                self.attempt_number,
                self.retry.attempts,
                _summary(cause),
                self.delay,
            )

    def _elapsed(self) -> float:
        return time.monotonic() - self.started_at


def _summary(error: YandexAIStudioError) -> str:
    """Return the kind, status and ids of an error; its text only where no server had a hand in it."""
    what = error.message if isinstance(error, APIConnectionError) else type(error).__name__
    parts = {
        "HTTP": error.status if isinstance(error, APIStatusError) else None,
        "x-client-request-id": error.client_request_id,
        "x-request-id": error.request_id,
        "x-server-trace-id": error.server_trace_id,
    }
    return ", ".join([what, *(f"{name} {value}" for name, value in parts.items() if value is not None)])
