"""The token of one client: fetched once for all its threads, replaced before it expires and when it is refused."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialRefreshError, YandexAIStudioError

#: Seconds in which at most one token is asked for beyond those that expiry demands: after a refusal, or early.
_INTERVAL = 10.0

#: What came of fetching a token.
Outcome = Token | YandexAIStudioError


class TokenCache:
    """
    Keeps a token. May be shared by threads; nothing of it outlives the client.

    :param fetch: asks for a token once, within so many seconds.
    :param clock: gives Unix seconds.
    """

    def __init__(self, fetch: Callable[[float], Token], *, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._flight: Future[Outcome] | None = None
        self._refused_at = float("-inf")
        self._failed_at = float("-inf")

    def get(self, *, within: float) -> Token:
        """
        Return a token that has not expired.

        The first thread to need one fetches it, the others wait for it, and for its failure as well.

        :param within: how long that may take, in seconds.
        :raises CredentialRefreshError: there was none to be had.
        :raises ConfigurationError: what it takes to ask for one is missing or cannot be used.
        """
        deadline = time.monotonic() + within
        while True:
            with self._lock:
                if self._token is not None and self._will_do(self._token):
                    return self._token
                leads, flight = self._flight is None, self._flight or Future()
                self._flight = flight
            if leads:
                return self._result(self._lead(flight, within))
            try:
                return self._result(flight.result(timeout=max(0.0, deadline - time.monotonic())))
            except FutureTimeoutError:
                raise CredentialRefreshError(
                    f"no token in {within:g} s, as another thread waits for it", transient=True
                ) from None
            except CancelledError:
                continue  # the thread that fetched it was stopped

    def refuse(self, token: Token) -> bool:
        """
        Note that a token was refused.

        :return: whether :meth:`get` will give another one. Not where one was refused a moment ago: if that did not
            help, the token is not what is wrong, and asking for more would be a storm.
        """
        with self._lock:
            if self._token is not token:
                return True  # another thread was faster
            now = self._clock()
            if 0 <= now - self._refused_at < _INTERVAL:
                return False
            self._refused_at = now
            self._token = None
            return True

    def _will_do(self, token: Token) -> bool:
        """Whether to use a token: until it expires where a thread is replacing it or has just failed to."""
        now = self._clock()
        if token.is_fresh(now):
            return True
        return token.is_valid(now) and (self._flight is not None or 0 <= now - self._failed_at < _INTERVAL)

    def _lead(self, flight: Future[Outcome], within: float) -> Outcome:
        outcome: Outcome | None = None
        try:
            outcome = self._replace(within)
        finally:
            with self._lock:
                self._flight = None
            if outcome is None:
                flight.cancel()
            else:
                flight.set_result(outcome)
        return outcome

    def _replace(self, within: float) -> Outcome:
        """Fetch a token; where that fails, go on with the one before for as long as it lives."""
        try:
            token = self._fetch(within)
        except YandexAIStudioError as error:
            with self._lock:
                self._failed_at = self._clock()
                kept = self._token
                return error if kept is None or not kept.is_valid(self._failed_at) else kept
        with self._lock:
            self._token = token
        return token

    @staticmethod
    def _result(outcome: Outcome) -> Token:
        """Return the token, or raise what each thread may change for itself."""
        if isinstance(outcome, Token):
            return outcome
        if isinstance(outcome, ConfigurationError):
            raise copy.copy(outcome)
        raise CredentialRefreshError(
            outcome.message,
            transient=outcome.transient,
            request_id=outcome.request_id,
            server_trace_id=outcome.server_trace_id,
            client_request_id=outcome.client_request_id,
            retry_after=outcome.retry_after,
        ) from outcome
