"""What every way to authenticate offers to the client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_yandex_conv.api.wire import Call
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.token import Token


class StaticCredential(Protocol):
    """A secret that stays the same."""

    @property
    def scheme(self) -> str:
        """The word before the secret in the ``Authorization`` header."""

    @property
    def secret(self) -> Secret | None:
        """What follows the scheme, or None where no ``Authorization`` header is sent."""

    @property
    def description(self) -> str:
        """What it is, for people: ``API key``. Never the secret."""


class TokenSource(ABC):
    """A way to get IAM tokens, which expire. It says what to ask whom; the client asks, and keeps the token."""

    __slots__ = ()

    @property
    @abstractmethod
    def description(self) -> str:
        """What its token is, for people: ``IAM token of the metadata service``. Never a secret."""

    @property
    def network_url(self) -> str | None:
        """Where tokens are asked for over a network; None for a service on this machine's own link."""
        return None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What it holds that must not get into logs."""
        return ()

    @abstractmethod
    def token_call(self, now: float) -> Call[Token]:
        """
        Return what to ask for a token.

        :param now: Unix seconds.
        :raises CredentialUnavailableError: what it takes is not on this machine.
        :raises ConfigurationError: what it takes cannot be used.
        """


#: A way to authenticate.
Credential = StaticCredential | TokenSource


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    What one request carries in its ``Authorization`` header.

    :param token: the token that the secret is of, so that it can be given back when it is refused; None for a secret
        that stays the same.
    """

    scheme: str
    secret: Secret
    token: Token | None = None
