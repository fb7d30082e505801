"""The token of one client: fetched once for all who need it, replaced before it expires and when it is refused."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager

from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialRefreshError, YandexAIStudioError

#: Seconds in which at most one token is asked for beyond those that expiry demands: after a refusal, or early.
_INTERVAL = 10.0

#: What came of fetching a token.
Outcome = Token | YandexAIStudioError
#: The fetching of a token, for all who need it meanwhile. Cancelled where the one who fetched was stopped.
Flight = Future[Outcome]


class Tokens:
    """
    Keeps a token. May be shared by threads; nothing of it outlives the client.

    :param clock: gives Unix seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._flight: Flight | None = None
        self._refused_at = float("-inf")
        self._failed_at = float("-inf")

    def refuse(self, token: Token) -> bool:
        """
        Note that a token was refused.

        :return: whether another one will be given. Not where one was refused a moment ago: if that did not
            help, the token is not what is wrong, and asking for more would be a storm.
        """
        with self._lock:
            if self._token is not token:
                return True  # another was faster
            now = self._clock()
            if 0 <= now - self._refused_at < _INTERVAL:
                return False
            self._refused_at = now
            self._token = None
            return True

    def _will_do(self, token: Token) -> bool:
        """Whether to use a token: until it expires where it is being replaced or that has just failed."""
        now = self._clock()
        if token.is_fresh(now):
            return True
        return token.is_valid(now) and (self._flight is not None or 0 <= now - self._failed_at < _INTERVAL)

    def _find(self) -> Token | tuple[Flight, bool]:
        """Return a token that will do; or the fetching of one, and whether the caller is the first to need it."""
        with self._lock:
            if self._token is not None and self._will_do(self._token):
                return self._token
            leads, flight = self._flight is None, self._flight or Future()
            self._flight = flight
            return flight, leads

    @contextmanager
    def _landing(self, flight: Flight) -> Iterator[Callable[[Token], None]]:
        """Let the block fetch a token for all who wait, and hand it over. Its failure lands as well."""
        fetched: list[Token] = []
        outcome: Outcome | None = None
        try:
            yield fetched.append
            outcome = fetched[0]
        except YandexAIStudioError as error:
            outcome = error
        finally:
            with self._lock:
                self._flight = None
                outcome = self._kept(outcome)
            if outcome is None:
                flight.cancel()
            else:
                flight.set_result(outcome)

    def _kept(self, outcome: Outcome | None) -> Outcome | None:
        """Keep a token; where there is none, go on with the one before for as long as it lives."""
        if isinstance(outcome, Token):
            self._token = outcome
        elif outcome is not None:
            self._failed_at = self._clock()
            if self._token is not None and self._token.is_valid(self._failed_at):
                return self._token
        return outcome


class TokenCache(Tokens):
    """
    Keeps a token for threads.

    :param fetch: asks for a token once, within so many seconds.
    """

    def __init__(self, fetch: Callable[[float], Token], *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._fetch = fetch

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
            found = self._find()
            if isinstance(found, Token):
                return found
            flight, leads = found
            if leads:
                with self._landing(flight) as land:
                    land(self._fetch(within))
            try:
                return _result(flight.result(timeout=max(0.0, deadline - time.monotonic())))
            except FutureTimeoutError:
                raise _too_long(within) from None
            except CancelledError:
                continue  # the thread that fetched it was stopped


class AsyncTokenCache(Tokens):
    """
    Keeps a token for the tasks of an event loop.

    :param fetch: asks for a token once, within so many seconds.
    """

    def __init__(self, fetch: Callable[[float], Awaitable[Token]], *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock)
        self._fetch = fetch

    async def get(self, *, within: float) -> Token:
        """Return a token that has not expired, as :meth:`TokenCache.get` does."""
        deadline = time.monotonic() + within
        while True:
            found = self._find()
            if isinstance(found, Token):
                return found
            flight, leads = found
            if leads:
                with self._landing(flight) as land:
                    land(await self._fetch(within))
            # Waited for, not awaited: a task that is cancelled must not cancel what the others wait for.
            await asyncio.wait({asyncio.wrap_future(flight)}, timeout=max(0.0, deadline - time.monotonic()))
            if not flight.done():
                raise _too_long(within)
            if not flight.cancelled():
                return _result(flight.result())


def _too_long(within: float) -> CredentialRefreshError:
    return CredentialRefreshError(f"no token in {within:g} s, as another call waits for it", transient=True)


def _result(outcome: Outcome) -> Token:
    """Return the token, or raise what each who waits may change for itself."""
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
