"""What every way to authenticate offers to the client."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_yandex_conv.auth.secret import Secret


class Credential(Protocol):
    """
    A way to authenticate.

    :param scheme: the word before the secret in the ``Authorization`` header.
    """

    @property
    def scheme(self) -> str:
        """The word before the secret in the ``Authorization`` header."""

    @property
    def secret(self) -> Secret | None:
        """What follows the scheme, or None where no ``Authorization`` header is sent."""

    @property
    def description(self) -> str:
        """What it is, for people: ``API key``. Never the secret."""
