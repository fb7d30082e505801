"""Sends calls: ``requests`` carries each attempt, ``tenacity`` turns the crank, ``Sending`` decides."""

from __future__ import annotations

import copy
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import tenacity

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, T
from airflow_provider_yandex_conv.auth.credential import Authorization, Credential, TokenSource
from airflow_provider_yandex_conv.auth.secret import Mask, secrets_in
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, YandexAIStudioError
from airflow_provider_yandex_conv.sending import AttemptJournal, Log, LostAttemptCallback, Sending
from airflow_provider_yandex_conv.tokens import TokenCache

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.transport import Transport

#: Seconds in which an answer may still come to a task that was told to stop; Airflow kills it after 5.
_GRACE = 2.5


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
        self.cut_off: YandexAIStudioError | None = None
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def send(
        self,
        call: Call[T],
        *,
        retry: RequestRetry | None = None,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
    ) -> T:
        """
        Send a call until it is answered, or until another attempt would be useless, unsafe or too late.

        :param retry: replaces the client's own for this call.
        :param on_lost: allows a call that creates to be sent again after an attempt whose outcome is unknown, and is
            told of every such attempt first. Without it, such an attempt ends the call.
        :param journal: where the attempts of a call that creates are noted, each before it is sent.
        :raises AmbiguousOutcomeError: the call creates something, and whether it did is not known.
        :raises InterruptedCallError: :meth:`interrupt` was called.
        :raises YandexAIStudioError: what the last attempt met.
        """
        sending = Sending(self, call, retry or self.retry, on_lost=on_lost, journal=journal)
        return tenacity.Retrying(sleep=self.pause, **sending.crank)(partial(self._attempt, sending, call))

    def _attempt(self, sending: Sending[T], call: Call[T]) -> T:
        sending.begin()
        try:
            authorization = self.authorization(within=sending.time_left)
            return self.transport.exchange(
                call.request,
                call.parse,
                client_request_id=sending.leave(authorization),
                within=sending.time_for_an_attempt,
                authorization=authorization,
            )
        except BaseException as error:  # noqa: BLE001  # one of another kind is raised again
            return sending.settle(error)

    def interrupt(self) -> None:
        """
        End all waiting, and begin no attempt any more.

        An attempt under way has 2.5 s left for its answer, as that says what became of it.

        Safe in a signal handler: unlike an Event, the queue takes no lock that the interrupted code may hold.

        :raises InterruptedCallError: in a signal handler, to end the setting up of a connection that it interrupts.
        """
        self._interrupted = True
        self._wake.put(None)
        if self._transport is not None:
            self._transport.interrupt(_GRACE)

    def uninterrupted(self) -> Client:
        """Return a client for a last request after :meth:`interrupt`: it takes 2 s at most."""
        other = copy.copy(self)
        other.retry = RequestRetry(attempts=1, timeout=2.0)
        other._interrupted, other._wake = False, queue.SimpleQueue()  # noqa: SLF001  # of a copy of itself
        return other

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

    def note_cut(self, cut: AmbiguousOutcomeError) -> None:
        """Keep what is known of a creating request that was cut off from outside."""
        self.cut_off = cut

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
