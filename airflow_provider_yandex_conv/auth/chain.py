"""The first of several ways for which there is data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from airflow_provider_yandex_conv.api.wire import Call
from airflow_provider_yandex_conv.auth.credential import Credential, TokenSource
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.exceptions import CredentialUnavailableError

#: The name of a way, and what makes its credential or finds that there is no data for it.
Way = tuple[str, Callable[[], Credential]]


@dataclass(frozen=True, slots=True)
class Chain(TokenSource):
    """
    The way that was chosen. When it fails, the chain does not go on: the error tells of every way with its reason.

    :param name: of the way.
    :param passed_over: the ways before it, each with what it lacks.
    """

    name: str
    source: TokenSource
    passed_over: tuple[str, ...]

    @property
    def description(self) -> str:
        """As that of the way."""
        return self.source.description

    @property
    def network_url(self) -> str | None:
        """As that of the way."""
        return self.source.network_url

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """As those of the way."""
        return self.source.secrets

    def token_call(self, now: float) -> Call[Token]:
        """Ask as the way does; the name of the call, which precedes the reason of a failure, lists the ways."""
        tried = "; ".join([*self.passed_over, self.name])
        return replace(self.source.token_call(now), name=f"no way of the chain works: {tried}")


def first_available(ways: Iterable[Way]) -> Credential:
    """
    Return the credential of the first way that has its data.

    :raises CredentialUnavailableError: none has.
    :raises ConfigurationError: a way has data that cannot be used.
    """
    passed_over: list[str] = []
    for name, make in ways:
        try:
            credential = make()
        except CredentialUnavailableError as error:
            passed_over.append(f"{name}: {error.message}")
            continue
        if isinstance(credential, TokenSource):
            return Chain(name, credential, tuple(passed_over))
        return credential
    raise CredentialUnavailableError(f"no way of the chain works: {'; '.join(passed_over)}")
