"""The endpoints that issue IAM tokens: IAM itself, the metadata service of a machine, and the federation's exchange."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

from airflow_provider_yandex_conv.emulator.errors import APIError
from airflow_provider_yandex_conv.emulator.issuer import IssuedToken, Issuer


@dataclass(frozen=True)
class AskedForToken:
    """
    What a request for a token asks for.

    :param url: the whole URL, as the client wrote it.
    :param headers: names in lower case.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class TokenEndpoint:
    """
    One endpoint.

    :param operation: what faults and records call it.
    :param path: below the root.
    """

    operation: str
    method: str
    path: str
    answer: Callable[[Issuer, AskedForToken], dict[str, Any]]


def _create_iam_token(issuer: Issuer, asked: AskedForToken) -> dict[str, Any]:
    try:
        body = json.loads(asked.body)
    except ValueError:
        body = None
    issuer.check_jwt(body.get("jwt") if isinstance(body, dict) else None, audience=asked.url)
    token = issuer.issue()
    return {"iamToken": token.text, "expiresAt": _rfc3339(token.expires_at)}


def _get_metadata_token(issuer: Issuer, asked: AskedForToken) -> dict[str, Any]:
    if asked.headers.get("metadata-flavor") != "Google":
        raise APIError(403, "Missing required header 'Metadata-Flavor': 'Google'", shape="text")
    return _bearer(issuer, issuer.issue())


#: Source: https://yandex.cloud/en/docs/iam/operations/wlif/setup-wlif
_EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
}


def _exchange_token(issuer: Issuer, asked: AskedForToken) -> dict[str, Any]:
    if asked.headers.get("content-type") != "application/x-www-form-urlencoded":
        raise APIError(400, "the body must be a form", shape="oauth", code="invalid_request")
    form = dict(parse_qsl(asked.body.decode("utf-8", errors="replace")))
    for name, wanted in _EXCHANGE.items():
        if form.get(name) != wanted:
            raise APIError(400, f"{name} must be {wanted}", shape="oauth", code="invalid_request")
    for name in ("audience", "subject_token"):
        if not form.get(name):
            raise APIError(400, f"{name} is missing", shape="oauth", code="invalid_request")
    return _bearer(issuer, issuer.issue())


def _bearer(issuer: Issuer, token: IssuedToken) -> dict[str, Any]:
    return {"access_token": token.text, "expires_in": issuer.seconds_left(token), "token_type": "Bearer"}


def _rfc3339(seconds: float) -> str:
    """Write a time with nanoseconds, as the vendor does."""
    whole = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{whole.microsecond:06d}789Z"


METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"

TOKEN_ENDPOINTS: tuple[TokenEndpoint, ...] = (
    TokenEndpoint("createIamToken", "POST", "/iam/v1/tokens", _create_iam_token),
    TokenEndpoint("getMetadataToken", "GET", METADATA_PATH, _get_metadata_token),
    TokenEndpoint("exchangeToken", "POST", "/oauth/token", _exchange_token),
)
