"""The IAM tokens that are issued, and what it takes to get one. Knows nothing of HTTP but the status of a refusal."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import jwt

from airflow_provider_yandex_conv.emulator.errors import APIError

_MAX_JWT_LIFE = 3600


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """
    How tokens are issued.

    :param service_account_keys: the only keys whose signature is accepted, each as
        ``{"id": str, "service_account_id": str, "public_key": <PEM>}``; None accepts any signature.
    :param lifetime: seconds; negative ones issue tokens that have expired already.
    :param repeat: whether the token issued last is returned again for as long as it lives.
    """

    service_account_keys: Sequence[Mapping[str, str]] | None = None
    lifetime: float = 43200.0
    repeat: bool = False

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> TokenSettings:
        """
        Read settings as the control plane takes them: an object with the parameters of this class.

        :raises ValueError: an unknown name.
        """
        unknown = set(spec) - {knob.name for knob in fields(cls)}
        if unknown:
            raise ValueError(f"tokens have no {', '.join(sorted(unknown))}")
        return cls(**spec)


@dataclass(frozen=True)
class IssuedToken:
    """
    A token.

    :param expires_at: Unix seconds.
    """

    text: str = field(repr=False)
    expires_at: float


class Issuer:
    """
    Issues tokens and knows them again. May be used by several threads.

    :param settings: how, at the start and after a reset.
    :param clock: gives Unix seconds.
    """

    def __init__(self, settings: TokenSettings | None = None, clock: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._initial = settings or TokenSettings()
        self._clock = clock
        self.settings = self._initial
        self._issued: list[IssuedToken] = []

    def reset(self) -> None:
        """Forget all tokens, and go back to the settings of the start."""
        with self._lock:
            self.settings = self._initial
            self._issued.clear()

    def issued(self) -> list[IssuedToken]:
        """Return the tokens so far, oldest first."""
        with self._lock:
            return list(self._issued)

    def issue(self) -> IssuedToken:
        """Issue a token."""
        with self._lock:
            now = self._clock()
            if self.settings.repeat and self._issued and now < self._issued[-1].expires_at:
                return self._issued[-1]
            token = IssuedToken(f"t1.{uuid.uuid4().hex}.{uuid.uuid4().hex}", now + self.settings.lifetime)
            self._issued.append(token)
            return token

    def seconds_left(self, token: IssuedToken) -> int:
        """Return how long a token still lives, in whole seconds."""
        return int(token.expires_at - self._clock())

    def knows(self, text: str) -> bool:
        """Whether a text is a token of this issuer; refuse one that has expired with 401."""
        for token in self.issued():
            if token.text == text:
                if self._clock() >= token.expires_at:
                    raise APIError(401, "Token is invalid or has expired.", shape="rpc_status")
                return True
        return False

    def check_jwt(self, signed: Any, *, audience: str) -> None:
        """
        Refuse a signed request for a token that the vendor would not accept.

        Source: https://yandex.cloud/en/docs/iam/operations/iam-token/create-for-sa

        :param audience: the URL that was asked.
        """
        if not isinstance(signed, str):
            raise APIError(400, "Either yandex_passport_oauth_token or jwt must be specified", shape="rpc_status")
        try:
            key = self._key_of(jwt.get_unverified_header(signed))
            claims = jwt.decode(
                signed,
                key["public_key"] if key else "",
                algorithms=["PS256"],
                options={
                    "verify_signature": key is not None,
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as error:
            raise APIError(401, f"JWT is invalid: {error}", shape="rpc_status") from None
        problem = self._problem_of(claims, key, audience)
        if problem:
            raise APIError(401, f"JWT is invalid: {problem}", shape="rpc_status")

    def _key_of(self, header: Mapping[str, Any]) -> Mapping[str, str] | None:
        if header.get("alg") != "PS256" or header.get("typ") != "JWT":
            raise APIError(401, "JWT is invalid: only typ JWT and alg PS256 are supported", shape="rpc_status")
        accepted = self.settings.service_account_keys
        if accepted is None:
            return None
        for key in accepted:
            if key["id"] == header.get("kid"):
                return key
        raise APIError(401, f"JWT is invalid: unknown key {header.get('kid')!r}", shape="rpc_status")

    def _problem_of(self, claims: Mapping[str, Any], key: Mapping[str, str] | None, audience: str) -> str | None:
        now, issued_at, expires_at = self._clock(), claims.get("iat"), claims.get("exp")
        if claims.get("aud") != audience:
            return f"aud must be {audience}"
        if key is not None and claims.get("iss") != key["service_account_id"]:
            return "iss is not the service account of the key"
        if not isinstance(issued_at, int) or not isinstance(expires_at, int):
            return "iat and exp must be whole numbers"
        if not issued_at - 1 <= now < expires_at:
            return "it has expired or is not valid yet"
        return None if expires_at - issued_at <= _MAX_JWT_LIFE else "exp must be at most 3600 s after iat"
