"""
A token of another identity provider, such as a Kubernetes cluster, exchanged for IAM tokens (RFC 8693).

Source: https://yandex.cloud/en/docs/iam/operations/wlif/setup-wlif
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_provider_yandex_conv.api.wire import Call, Safety, TokenRequest
from airflow_provider_yandex_conv.auth.credential import TokenSource
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.token import Token, from_oauth
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialUnavailableError

EXCHANGE_URL = "https://auth.yandex.cloud/oauth/token"


@dataclass(frozen=True, slots=True)
class WorkloadIdentity(TokenSource):
    """
    ``Authorization: Bearer <IAM token>`` for a token in a file.

    ``POST <exchange_url>`` -> ``{"access_token": str, "expires_in": <seconds>, "token_type": "Bearer"}``.

    :param service_account_id: whose tokens are asked for.
    :param token_path: file that holds the other provider's token. It is read each time, as its owner replaces it.
    """

    service_account_id: str
    token_path: str
    exchange_url: str = EXCHANGE_URL

    @property
    def description(self) -> str:
        """Names the service account."""
        return f"IAM token of service account {self.service_account_id} by workload identity"

    @property
    def network_url(self) -> str:
        """Where tokens are asked for."""
        return self.exchange_url

    def token_call(self, now: float) -> Call[Token]:
        """
        Ask for a token in exchange for what the file holds now.

        :raises CredentialUnavailableError: there is no such file.
        :raises ConfigurationError: it cannot be read, or holds no token.
        """
        del now
        body = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": self.service_account_id,
            "subject_token": self.subject_token(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        }
        return Call(
            name=f"get an {self.description}",
            request=TokenRequest(method="POST", url=self.exchange_url, body=body, form=True),
            parse=from_oauth,
            safety=Safety.REPEATABLE,
        )

    def subject_token(self) -> Secret:
        """
        Read the token in the file.

        :raises CredentialUnavailableError: there is no such file.
        :raises ConfigurationError: it cannot be read, or holds no token.
        """
        name = f"extra 'workload_identity_token_path': {self.token_path}"
        try:
            # Bytes that are no text are replaced, as the error about them would hold the token.
            return Secret(Path(self.token_path).read_text(encoding="utf-8", errors="replace"), name=name)
        except FileNotFoundError:
            raise CredentialUnavailableError(f"{name} does not exist") from None
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
