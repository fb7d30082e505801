"""
The way of a request by the rules of ``requests``, for the transport that goes without it: URL, proxy, certificates.

So both transports go the same way, whatever the environment says, and trust the same servers.
"""

from __future__ import annotations

import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, prepend_scheme_if_needed, select_proxy
from urllib3.util import create_urllib3_context

from airflow_provider_yandex_conv.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Route:
    """
    The way of one request.

    :param url: as it is sent, query included, encoded.
    :param proxy: URL of the proxy, or None for none.
    :param verify: whether the server's certificate is checked, or the path of a file or folder of CA certificates.
    """

    url: str
    proxy: str | None
    verify: bool | str

    @property
    def is_secure(self) -> bool:
        """Whether any part of the way is TLS."""
        return any(url is not None and url.lower().startswith("https:") for url in (self.url, self.proxy))


def route_of(exchange: Exchange, *, verify: bool | str) -> Route:
    """
    Return the way of a request, with what the environment says of proxies and certificates.

    :raises requests.RequestException: it has no valid URL.
    """
    prepared = requests.PreparedRequest()
    prepared.prepare_url(exchange.url, dict(exchange.query))
    url = str(prepared.url)
    settings = requests.Session().merge_environment_settings(
        url,
        exchange.proxies,
        stream=None,
        verify=verify,
        cert=None,
    )
    proxy = select_proxy(url, settings["proxies"])
    if proxy:
        proxy = prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]
    return Route(url, proxy or None, settings["verify"] or False)


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
    if route.is_secure and not route.verify:
        warnings.warn(
            "Unverified HTTPS request is being made; set 'verify' of the connection",
            urllib3.exceptions.InsecureRequestWarning,
            stacklevel=2,
        )
