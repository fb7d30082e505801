"""What a client is, whichever library carries its requests: where to, as whom, and how often."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypedDict

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Call
from airflow_provider_yandex_conv.auth.credential import Authorization, Credential, TokenSource
from airflow_provider_yandex_conv.auth.secret import Mask, secrets_in
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, YandexAIStudioError
from airflow_provider_yandex_conv.sending import Log
from airflow_provider_yandex_conv.tokens import Tokens


class ClientSettings(TypedDict, total=False):
    """What may be set of a client of either kind, as :class:`BaseClient` says."""

    retry: RequestRetry | None
    connection_id: str | None
    log: Log | None
    mask: Mask
    clock: Callable[[], float]


class BaseClient:
    """
    A client but for what sends. Nothing is imported, opened or sent before the first call.

    :param endpoint: where to, and how.
    :param credential: what goes into the ``Authorization`` header.
    :param retry: when a request is sent again.
    :param connection_id: id of the Airflow connection, for messages.
    :param log: gets one INFO line per retry, and one per attempt of a call that creates.
    :param mask: told of every secret that comes into being here, such as a token, to keep it out of logs.
    :param clock: gives Unix seconds, by which tokens expire.
    """

    #: Where tokens are kept, or None where the credential stays the same.
    _tokens: Tokens | None

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
        self.log: Log = log or logging.getLogger(type(self).__module__)
        self._mask = mask
        self._clock = clock
        #: What a credential that stays the same puts into the ``Authorization`` header, or None for no such header.
        self._unchanging_authorization = _unchanging(credential)
        #: The call that creates something and was last cut off from outside: by a time limit of the task, by a signal.
        self.cut_off: YandexAIStudioError | None = None

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

    def _token_call(self, source: TokenSource) -> Call[Token]:
        """Return what to ask for a token, its secrets masked. Reads files, and signs."""
        call = source.token_call(self._clock())
        for secret in secrets_in(call.request.body):
            secret.register(self._mask)
        return call

    def _masked(self, token: Token) -> Token:
        token.secret.register(self._mask)
        return token


def _unchanging(credential: Credential) -> Authorization | None:
    if isinstance(credential, TokenSource) or credential.secret is None:
        return None
    return Authorization(credential.scheme, credential.secret)


@contextmanager
def asking_for_token(call: Call[Token]) -> Iterator[str]:
    """Give the ``x-client-request-id`` of a request for a token; its failure names that and the request."""
    client_request_id = str(uuid.uuid4())
    try:
        yield client_request_id
    except YandexAIStudioError as error:
        error.client_request_id = client_request_id
        error.message = f"{call.name}: {error.message}"
        raise
