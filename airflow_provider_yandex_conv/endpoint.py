"""Where the API is and how it is reached."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from airflow_provider_yandex_conv.auth.secret import Secret

#: The shortest password that is taken out of texts: shorter ones are parts of innocent words.
_MIN_PASSWORD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """
    Where the API is and how it is reached. Times are in seconds.

    :param base_url: with scheme and version, without a slash at the end: ``https://ai.api.cloud.yandex.net/v1``.
    :param headers: sent with every request; none of them secret.
    :param timeout_connect: how long setting up a connection may take.
    :param timeout_read: how long the server may be silent, and how long an answer may take once it has begun.
    :param verify: whether the server's certificate is checked, or the path of a file or folder of CA certificates.
    :param proxies: proxy URL by scheme, as ``requests`` takes it; None leaves it to the environment.
    """

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_connect: float = 10.0
    timeout_read: float = 30.0
    verify: bool | str = True
    proxies: Mapping[str, str] | None = field(default=None, repr=False)

    def with_headers(self, headers: Mapping[str, str]) -> Endpoint:
        """Return the same endpoint with more headers."""
        return replace(self, headers={**self.headers, **headers})

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The passwords of proxies, as written and as sent: a proxy may hand back what it refuses."""
        return tuple(secret for url in (self.proxies or {}).values() for secret in _secrets_in_url(url))


def _secrets_in_url(url: str) -> Iterator[Secret]:
    try:
        parts = urlsplit(url)
        name, password = unquote(parts.username or ""), unquote(parts.password or "").strip()
    except ValueError:
        return
    if len(password) >= _MIN_PASSWORD:
        yield Secret(password, name="password of a proxy", in_header=False)
        yield Secret(base64.b64encode(f"{name}:{password}".encode()).decode(), name="password of a proxy")
