"""Where the API is and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


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
