"""Sends calls from an event loop: as ``client`` does, but that ``aiohttp`` carries each attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import tenacity

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call, T
from airflow_provider_yandex_conv.auth.credential import Authorization, Credential, TokenSource
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.base_client import BaseClient, ClientSettings, asking_for_token
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import YandexAIStudioError
from airflow_provider_yandex_conv.sending import AttemptJournal, LostAttemptCallback, Sending
from airflow_provider_yandex_conv.tokens import AsyncTokenCache

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack  # in typing from Python 3.11 on

    from airflow_provider_yandex_conv.async_transport import AsyncTransport

#: What :func:`load_transport` has imported: a thousand that need it at once are not to ask a thousand threads.
_loaded_transport: type[AsyncTransport] | None = None


class AsyncClient(BaseClient):
    """
    A client on ``aiohttp``, for the tasks of one event loop. What tells it to stop is the cancellation of a task.

    Nothing of it blocks the loop: names are resolved, files read, tokens asked for and masked with the help of threads.
    """

    #: A task is cancelled instead.
    is_interrupted = False

    def __init__(self, endpoint: Endpoint, credential: Credential, **settings: Unpack[ClientSettings]) -> None:
        super().__init__(endpoint, credential, **settings)
        self._tokens: AsyncTokenCache | None = (
            AsyncTokenCache(partial(self._fetch_token, credential), clock=self._clock)
            if isinstance(credential, TokenSource)
            else None
        )
        self._transport: AsyncTransport | None = None
        self._turns: AbstractAsyncContextManager[Any] = nullcontext()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def send(
        self,
        call: Call[T],
        *,
        retry: RequestRetry | None = None,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
        client_request_id: str | None = None,
    ) -> T:
        """
        Send a call until it is answered, or until another attempt would be useless, unsafe or too late.

        The arguments are those of :meth:`.Client.send`; ``on_lost`` and ``journal`` are called in the event loop.

        :param client_request_id: what each attempt carries as ``x-client-request-id``, for who may send one that counts
            at most; None for a new id for each.
        :raises AmbiguousOutcomeError: the call creates something, and whether it did is not known.
        :raises YandexAIStudioError: what the last attempt met.
        :raises asyncio.CancelledError: the task was cancelled. If a call that creates was under way, a WARNING names
            it, and :attr:`cut_off` holds what is known.
        """
        async with self._turns:
            sending = Sending(
                self, call, retry or self.retry, on_lost=on_lost, journal=journal, client_request_id=client_request_id
            )
            try:
                return await self._attempt(sending, call)
            except YandexAIStudioError as error:
                sending.met = error
        return await tenacity.AsyncRetrying(sleep=asyncio.sleep, **sending.crank)(partial(self._again, sending, call))

    def limit(self, under_way: int) -> None:
        """Let so many attempts be under way at once. A first attempt's wait for its turn takes no time of the call."""
        self._turns = asyncio.Semaphore(under_way)

    async def close(self) -> None:
        """Close the connections that are kept open. A later call opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def _again(self, sending: Sending[T], call: Call[T]) -> T:
        sending.raise_met()  # before a turn is waited for, as nothing is sent
        async with self._turns:
            return await self._attempt(sending, call)

    async def _attempt(self, sending: Sending[T], call: Call[T]) -> T:
        sending.begin()
        try:
            transport = await self._opened()
            authorization = await self._authorization(within=sending.time_left)
            return await transport.exchange(
                call.request,
                call.parse,
                client_request_id=sending.leave(authorization),
                within=sending.time_for_an_attempt,
                authorization=authorization,
            )
        except BaseException as error:  # noqa: BLE001  # one of another kind is raised again
            return sending.settle(error)

    async def _opened(self) -> AsyncTransport:
        """Return the transport, made at the first use."""
        if self._transport is None:
            kind = await _in_thread(load_transport) if _loaded_transport is None else _loaded_transport
            if self._transport is None:  # else another task was faster
                self._transport = kind(self.endpoint, clock=self._clock)
        return self._transport

    async def _authorization(self, *, within: float) -> Authorization | None:
        if self._tokens is None:
            return self._unchanging_authorization
        token = await self._tokens.get(within=within)
        return Authorization("Bearer", token.secret, token)

    async def _fetch_token(self, source: TokenSource, within: float) -> Token:
        transport = await self._opened()
        call = await _in_thread(self._token_call, source)
        with asking_for_token(call) as client_request_id:
            token = await transport.exchange(
                call.request, call.parse, client_request_id=client_request_id, within=within
            )
        return await _in_thread(self._masked, token)


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    """
    Call a function that may block, or that masks secrets.

    By asgiref, as Airflow's ``mask_secret`` comes back to the loop of a triggerer, and finds it only so before 3.3.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=False)(*args)


def load_transport() -> type[AsyncTransport]:
    """Import what sends, which takes a fifth of a second: not in an event loop."""
    global _loaded_transport  # noqa: PLW0603  # it is imported once
    from airflow_provider_yandex_conv.async_transport import AsyncTransport

    _loaded_transport = AsyncTransport
    return AsyncTransport
