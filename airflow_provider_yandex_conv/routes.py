"""
The way of a request by the rules of ``requests``: URL, proxies, certificates.

So both transports go the same way, whatever the environment says, and trust the same servers. ``requests`` itself reads
all of the environment for every request, which takes as long as all that this package does beside.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import requests
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, prepend_scheme_if_needed, select_proxy
from urllib3.util import create_urllib3_context

from airflow_provider_yandex_conv.exchange import Exchange


class Route(NamedTuple):
    """
    The way that all requests to one origin go.

    :param url: the origin as it is sent, encoded.
    :param proxies: proxy URL by scheme, as ``requests`` takes them, those of the environment included.
    :param proxy: URL of the one that it takes, or None for none.
    :param verify: whether the server's certificate is checked, or the path of a file or folder of CA certificates.
    """

    url: str
    proxies: Mapping[str, str]
    proxy: str | None
    verify: bool | str

    @property
    def is_secure(self) -> bool:
        """Whether any part of the way is TLS."""
        return any(url is not None and url[:6].lower() == "https:" for url in (self.url, self.proxy))

    def url_of(self, exchange: Exchange) -> str:
        """Return the URL of a request as it is sent, query included, encoded."""
        if not exchange.path:
            return self.url
        # Both are encoded already, in the very way in which requests encodes.
        query = f"?{urlencode(exchange.query)}" if exchange.query else ""
        return f"{self.url.rstrip('/')}/{exchange.path}{query}"


class Routes:
    """
    The ways to one endpoint, and to services that issue tokens for it.

    The environment is read once for each origin, when the first request goes there.

    :param verify: whether certificates are checked, or the path of a file or folder of CA certificates.
    """

    def __init__(self, *, verify: bool | str) -> None:
        self._verify = verify
        self._ways: dict[str, Route] = {}

    def find(self, exchange: Exchange) -> Route:
        """
        Return the way of a request.

        :raises requests.RequestException: it has no valid URL.
        """
        origin = exchange.origin
        way = self._ways.get(origin)
        if way is None:
            way = self._ways[origin] = self._explore(exchange)
        return way

    def _explore(self, exchange: Exchange) -> Route:
        """Return the way to what all requests to an origin have in common."""
        prepared = requests.PreparedRequest()
        prepared.prepare_url(exchange.origin, None)
        url = str(prepared.url)
        settings = requests.Session().merge_environment_settings(
            url, exchange.proxies, stream=None, verify=self._verify, cert=None
        )
        proxy = select_proxy(url, settings["proxies"])
        if proxy:
            proxy = prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]
        return Route(url, settings["proxies"], proxy or None, settings["verify"] or False)


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """
    Return how certificates are checked. Reads files.

    :raises OSError: the certificates cannot be read, or are not there.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    context.set_alpn_protocols(["http/1.1"])
    if verify:
        path = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
        in_folder = Path(path).is_dir()
        context.load_verify_locations(cafile=None if in_folder else path, capath=path if in_folder else None)
    return context


def warn_if_unverified(route: Route) -> None:
    """Warn as ``urllib3`` does where the certificate of a server is not checked."""
    if route.verify is False and route.is_secure:
        warnings.warn(
            "Unverified HTTPS request is being made; set 'verify' of the connection",
            urllib3.exceptions.InsecureRequestWarning,
            stacklevel=2,
        )
