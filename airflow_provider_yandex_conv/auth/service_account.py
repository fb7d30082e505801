"""
An authorized key of a service account, exchanged for IAM tokens.

Source: https://yandex.cloud/en/docs/iam/operations/iam-token/create-for-sa
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_yandex_conv.api.wire import Call, Safety, TokenRequest
from airflow_provider_yandex_conv.auth.credential import TokenSource
from airflow_provider_yandex_conv.auth.secret import Secret, SecretObject
from airflow_provider_yandex_conv.auth.token import Token, from_iam
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialUnavailableError

IAM_URL = "https://iam.api.cloud.yandex.net/iam/v1/tokens"
#: How long a signed request for a token may be used, in seconds; IAM allows 3600.
_JWT_LIFE = 360
_MIN_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """
    A key pair of a service account, of which IAM keeps the public half.

    :param id: goes into the header ``kid`` of what it signs.
    :param service_account_id: whose tokens it gets.
    :param private_key: RSA, in PEM.
    """

    id: str
    service_account_id: str
    private_key: Secret

    @classmethod
    def from_object(cls, document: SecretObject, *, name: str) -> AuthorizedKey:
        """
        Read a key, as the console and the command line write it or as the REST API answers.

        ``{"id", "service_account_id", "private_key"}`` or ``{"key": {"id", "serviceAccountId"}, "privateKey"}``.
        Source: https://yandex.cloud/en/docs/iam/operations/authentication/manage-authorized-keys

        :param name: what it is called in the connection, for the message.
        :raises ConfigurationError: it is no such object.
        """
        about = SecretObject(document["key"]) if isinstance(document.get("key"), Mapping) else document
        return cls(
            id=_id(about, "id", name=name),
            service_account_id=_id(about, "service_account_id", "serviceAccountId", name=name),
            private_key=_private_key(document, name=name),
        )

    @classmethod
    def from_file(cls, path: str, *, name: str) -> AuthorizedKey:
        """
        Read a key from a file that holds such an object.

        :raises CredentialUnavailableError: there is no such file.
        :raises ConfigurationError: it cannot be read, or holds no such object.
        """
        try:
            # Bytes that are no text are replaced, as the error about them would hold the file.
            document = SecretObject.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            raise CredentialUnavailableError(f"{name}: {path} does not exist") from None
        except OSError as error:
            raise ConfigurationError(f"{name}: {path} cannot be read: {error.strerror}") from None
        return cls.from_object(document, name=f"{name}: {path}")


@dataclass(frozen=True, slots=True)
class ServiceAccount(TokenSource):
    """
    ``Authorization: Bearer <IAM token>`` for an authorized key.

    ``POST <iam_url>`` with ``{"jwt": str}`` -> ``{"iamToken": str, "expiresAt": str}``.

    :param iam_url: where tokens are asked for, and the audience of the signed request.
    """

    key: AuthorizedKey
    iam_url: str = IAM_URL

    @property
    def description(self) -> str:
        """Names the service account."""
        return f"IAM token of service account {self.key.service_account_id}"

    @property
    def network_url(self) -> str:
        """Where tokens are asked for."""
        return self.iam_url

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The private key."""
        return (self.key.private_key,)

    def token_call(self, now: float) -> Call[Token]:
        """
        Sign a request for a token.

        :raises ConfigurationError: the private key cannot sign.
        """
        return Call(
            name=f"get an {self.description}",
            request=TokenRequest(method="POST", url=self.iam_url, body={"jwt": self._signed(now)}),
            parse=from_iam,
            safety=Safety.REPEATABLE,
        )

    def _signed(self, now: float) -> Secret:
        import jwt
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self.key.private_key.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # their text may quote the key
            key = None
        if not isinstance(key, RSAPrivateKey) or key.key_size < _MIN_KEY_BITS:
            raise ConfigurationError(
                f"the private key of key {self.key.id} is not an RSA key of {_MIN_KEY_BITS} bits or more, in PEM and "
                "without a password; paste the whole JSON that was made with the key again"
            )
        claims = {
            "aud": self.iam_url,
            "iss": self.key.service_account_id,
            "iat": int(now),
            "exp": int(now) + _JWT_LIFE,
        }
        return Secret(jwt.encode(claims, key, algorithm="PS256", headers={"kid": self.key.id}), name="signed request")


def _id(about: SecretObject, *names: str, name: str) -> str:
    """Return the first of the values, checked, as messages show it: a key may be pasted into the wrong place."""
    for key in names:
        if isinstance(about.get(key), str) and re.fullmatch(r"[\w.-]{1,64}", about[key], re.ASCII):
            return str(about[key])
    raise ConfigurationError(
        f"{name} is not an authorized key of a service account: it has no usable {names[0]!r}; paste the whole JSON "
        "that was made with the key"
    )


def _private_key(document: SecretObject, *, name: str) -> Secret:
    """Return the PEM block, without the vendor's line before it, and with line breaks where they were written out."""
    for key in ("private_key", "privateKey"):
        if isinstance(document.get(key), str):
            pem = re.search(
                r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*-----END [A-Z ]*PRIVATE KEY-----",
                document[key].replace("\\r", "").replace("\\n", "\n").replace("\r", ""),
                re.DOTALL,
            )
            if pem is not None:
                return Secret(pem[0], name=name, in_header=False)
    raise ConfigurationError(
        f"{name} is not an authorized key of a service account: it has no 'private_key' in PEM; paste the whole JSON "
        "that was made with the key"
    )
