"""Sends calls: ``requests`` carries each attempt, ``tenacity`` turns the crank, ``Sending`` decides."""

from __future__ import annotations

import copy
import threading
from functools import partial
from typing import TYPE_CHECKING

import tenacity

from airflow_provider_yandex_conv.alarm import Alarm
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, T
from airflow_provider_yandex_conv.auth.credential import Authorization, Credential, TokenSource
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.base_client import BaseClient, ClientSettings, asking_for_token
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import YandexAIStudioError
from airflow_provider_yandex_conv.sending import AttemptJournal, LostAttemptCallback, Sending
from airflow_provider_yandex_conv.tokens import TokenCache

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11 on

    from airflow_provider_yandex_conv.transport import Transport

#: Seconds in which an answer may still come to a task that was told to stop; Airflow kills it after 5.
_GRACE = 2.5


class Client(BaseClient):
    """A client on ``requests``. May be shared by threads."""

    def __init__(self, endpoint: Endpoint, credential: Credential, **settings: Unpack[ClientSettings]) -> None:
        super().__init__(endpoint, credential, **settings)
        self._tokens: TokenCache | None = (
            TokenCache(partial(self._fetch_token, credential), clock=self._clock)
            if isinstance(credential, TokenSource)
            else None
        )
        self._transport: Transport | None = None
        self._transport_lock = threading.Lock()
        self._interrupted = False
        self._alarm = Alarm()

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
        try:
            return self._attempt(sending, call)
        except YandexAIStudioError as error:
            sending.met = error
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

        Safe in a signal handler.

        :raises InterruptedCallError: in a signal handler, to end the setting up of a connection that it interrupts.
        """
        self._interrupted = True
        self._alarm.ring()
        if self._transport is not None:
            self._transport.interrupt(_GRACE)

    def uninterrupted(self) -> Client:
        """Return a client for a last request after :meth:`interrupt`: it takes 2 s at most."""
        other = copy.copy(self)
        other.retry = RequestRetry(attempts=1, timeout=2.0)
        other._interrupted, other._alarm = False, Alarm()  # noqa: SLF001  # of a copy of itself
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
        self._alarm.wait(seconds)

    @property
    def transport(self) -> Transport:
        """The transport, made at the first use, as it imports ``requests``."""
        with self._transport_lock:
            if self._transport is None:
                from airflow_provider_yandex_conv.transport import Transport

                self._transport = Transport(self.endpoint, clock=self._clock)
                if self._interrupted:  # while it was made, and so not told
                    self._transport.interrupt(_GRACE)
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
        return self._unchanging_authorization

    def _fetch_token(self, source: TokenSource, within: float) -> Token:
        call = self._token_call(source)
        with asking_for_token(call) as client_request_id:
            token = self.transport.exchange(
                call.request, call.parse, client_request_id=client_request_id, within=within
            )
        return self._masked(token)
