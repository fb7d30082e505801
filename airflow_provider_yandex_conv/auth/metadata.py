"""
The service account that is attached to this virtual machine, by the machine's metadata service.

Source: https://yandex.cloud/en/docs/compute/operations/vm-connect/auth-inside-vm
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_yandex_conv.api.wire import Call, Safety, TokenRequest
from airflow_provider_yandex_conv.auth.credential import TokenSource
from airflow_provider_yandex_conv.auth.token import Token, from_oauth
from airflow_provider_yandex_conv.exceptions import ConfigurationError

#: The environment variable that the vendor's own tools read as well.
ADDRESS_VARIABLE = "YC_METADATA_ADDR"
DEFAULT_ADDRESS = "169.254.169.254"


@dataclass(frozen=True, slots=True)
class Metadata(TokenSource):
    """
    ``Authorization: Bearer <IAM token>`` for the service account of this machine.

    ``GET /computeMetadata/v1/instance/service-accounts/default/token`` ->
    ``{"access_token": str, "expires_in": <seconds>, "token_type": "Bearer"}``.

    :param address: host, or host and port, of the metadata service.
    :raises ConfigurationError: the address is not that.
    """

    address: str = DEFAULT_ADDRESS

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", self.address, re.ASCII):
            raise ConfigurationError(
                f"{ADDRESS_VARIABLE} ({len(self.address)} characters) is not host or host:port; correct it"
            )

    @property
    def description(self) -> str:
        """Names the service."""
        return "IAM token of the metadata service"

    @property
    def url(self) -> str:
        """Where tokens are asked for."""
        return f"http://{self.address}/computeMetadata/v1/instance/service-accounts/default/token"

    def token_call(self, now: float) -> Call[Token]:
        """Ask for a token."""
        del now
        return Call(
            name=f"get an {self.description}",
            request=TokenRequest(method="GET", url=self.url, headers={"Metadata-Flavor": "Google"}, local=True),
            parse=from_oauth,
            safety=Safety.REPEATABLE,
        )
