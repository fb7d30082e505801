"""Where the API is and how it is reached."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.exceptions import ConfigurationError

#: The shortest password that is taken out of texts: shorter ones are parts of innocent words.
_MIN_PASSWORD = 5


#: Names the folder; OpenAI's word for one is project.
FOLDER_HEADER = "OpenAI-Project"
#: A day in seconds; the operating system's own timers end not far beyond it.
MAX_TIMEOUT = 86_400.0


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

    def with_timeouts(self, *, connect: float | None, read: float | None) -> Endpoint:
        """
        Return the same endpoint with other timeouts in seconds, where they are given.

        :raises ConfigurationError: one is no number greater than 0.
        """
        for name, seconds in (("timeout_connect", connect), ("timeout_read", read)):
            if seconds is not None and not _is_timeout(seconds):
                raise ConfigurationError(f"{name} must be a number greater than 0 and at most {MAX_TIMEOUT:g}")
        return replace(
            self,
            timeout_connect=self.timeout_connect if connect is None else connect,
            timeout_read=self.timeout_read if read is None else read,
        )

    @property
    def folder_id(self) -> str | None:
        """The folder that requests are for; None leaves it to the server."""
        return self.headers.get(FOLDER_HEADER)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.base_url))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The passwords of proxies, as written and as sent: a proxy may hand back what it refuses."""
        return tuple(secret for url in (self.proxies or {}).values() for secret in _secrets_in_url(url))


def _is_timeout(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds <= MAX_TIMEOUT


def is_loopback(url: SplitResult) -> bool:
    """Whether a URL stays on this machine."""
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _secrets_in_url(url: str) -> Iterator[Secret]:
    try:
        parts = urlsplit(url)
        name, password = unquote(parts.username or ""), unquote(parts.password or "").strip()
    except ValueError:
        return
    if len(password) >= _MIN_PASSWORD:
        yield Secret(password, name="password of a proxy", in_header=False)
        yield Secret(base64.b64encode(f"{name}:{password}".encode()).decode(), name="password of a proxy")
