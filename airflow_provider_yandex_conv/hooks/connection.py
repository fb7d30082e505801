"""
What an Airflow connection of type ``yandex_ai_studio`` holds: the only module that knows its fields.

``FIELDS`` declares every extra once. The connection form of each Airflow version, the reading of values and their
checks all follow from it. Nothing here imports Airflow, as the declaration is part of the provider info that every
component reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.credential import Credential
from airflow_provider_yandex_conv.auth.iam_token import IAMToken
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialUnavailableError
from airflow_provider_yandex_conv.hooks.fields import (
    Choice,
    Extras,
    Field,
    Flag,
    FlagOrPath,
    HeaderText,
    Integer,
    Number,
    SecretText,
    TextMapping,
    json_object,
)

CONN_TYPE = "yandex_ai_studio"
DEFAULT_CONN_ID = "yandex_ai_studio_default"
HOOK_NAME = "Yandex AI Studio"
DEFAULT_BASE_URL = "https://ai.api.cloud.yandex.net/v1"

FIELDS: tuple[Field, ...] = (
    HeaderText("folder_id", "Folder ID", "The folder that conversations are created in. Sent as OpenAI-Project."),
    Choice(
        "auth_type",
        "Authentication",
        "api_key: the password is an API key. iam_token: the extra of that name. none: no credential, for a server on "
        "this machine only. Default: api_key.",
        choices=("api_key", "iam_token", "none"),
    ),
    Choice(
        "api_key_scheme",
        "API key scheme",
        "The word before the key in the Authorization header. Bearer suits other servers that speak the OpenAI "
        "protocol. Default: Api-Key.",
        choices=("Api-Key", "Bearer"),
    ),
    SecretText("iam_token", "IAM token", "For auth_type iam_token. It lives 12 hours at most and is not refreshed."),
    Number("timeout_connect", "Connect timeout", "Seconds to wait for a connection. Default: 10.", above=0),
    Number("timeout_read", "Read timeout", "Seconds to wait for an answer. Default: 30.", above=0),
    Integer("retry_attempts", "Attempts", "How often one request is sent at most. Default: 5.", at_least=1),
    Number(
        "retry_wait_max",
        "Longest wait",
        "Seconds between attempts; a longer Retry-After ends the call. Default: 20.",
        at_least=0,
    ),
    Number("retry_timeout", "Time budget", "Seconds after which no attempt begins. Default: 60.", at_least=0),
    FlagOrPath(
        "verify",
        "Verify certificate",
        "true, false, or the path of a file or folder of CA certificates. Default: true.",
    ),
    TextMapping(
        "proxies", "Proxies", 'Proxy URL by scheme, as in {"https": "http://proxy:3128"}. Default: environment.'
    ),
    Flag(
        "data_logging",
        "Data logging",
        "false asks the vendor not to keep the data of requests (x-data-logging-enabled). Default: the vendor's, true.",
    ),
)

UI_FIELD_BEHAVIOUR: Mapping[str, Any] = {
    "hidden-fields": ["schema", "login", "port"],
    "relabeling": {"host": "Base URL", "password": "API key"},
    "placeholders": {"host": DEFAULT_BASE_URL},
}


def conn_fields() -> dict[str, dict[str, Any]]:
    """Return the form of the extras as Airflow 3.2 and later read it from the provider info."""
    return {extra.name: extra.conn_field() for extra in FIELDS}


def form_widgets() -> dict[str, Any]:
    """Return the form of the extras as Airflow below 3.2 asks the hook for it: WTForms fields by name."""
    return {extra.name: extra.form_widget() for extra in FIELDS}


def ui_field_behaviour() -> dict[str, Any]:
    """Return how standard fields are shown, as Airflow below 3.2 asks the hook for it."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}


class AirflowConnection(Protocol):
    """What is read of an Airflow connection; all versions have it."""

    conn_id: str
    host: str | None
    port: int | None
    password: str | None
    extra: str | None


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A copy of what is read that, unlike Airflow's own class, does not print its secrets in a traceback's locals."""

    conn_id: str
    host: str
    port: int | None
    password: str = field(repr=False)
    extra: str = field(repr=False)

    @classmethod
    def copy_of(cls, connection: AirflowConnection) -> StoredConnection:
        """Copy an Airflow connection; null becomes empty."""
        return cls(
            conn_id=connection.conn_id,
            host=connection.host or "",
            port=connection.port or None,
            password=connection.password or "",
            extra=connection.extra or "",
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """
    A connection, read and checked.

    :param unknown_extras: names of extras that mean nothing here: typing errors, as a rule.
    """

    endpoint: Endpoint
    credential: Credential
    retry: RequestRetry
    unknown_extras: tuple[str, ...] = ()

    @property
    def exposes_credential(self) -> bool:
        """Whether the credential would cross a network unencrypted."""
        url = urlsplit(self.endpoint.base_url)
        return url.scheme == "http" and self.credential.secret is not None and not _is_loopback(url)


def parse(stored: StoredConnection) -> Settings:
    """
    Read and check a connection.

    :raises ConfigurationError: names the connection, the field, the size of its value and what to do.
    """
    try:
        return _parse(stored)
    except ConfigurationError as error:
        error.message = f"connection {stored.conn_id!r}: {error.message}"
        raise


def _parse(stored: StoredConnection) -> Settings:
    extras = _extras(stored)
    values = Extras((extra.name, extra.read(extras)) for extra in FIELDS)
    url = _base_url(stored)
    return Settings(
        endpoint=Endpoint(
            base_url=url.geturl(),
            headers=_headers(values),
            **_given(
                timeout_connect=values["timeout_connect"],
                timeout_read=values["timeout_read"],
                verify=values["verify"],
                proxies=values["proxies"],
            ),
        ),
        credential=_credential(stored, values, url),
        retry=RequestRetry(
            **_given(
                attempts=values["retry_attempts"],
                wait_max=values["retry_wait_max"],
                timeout=values["retry_timeout"],
            )
        ),
        unknown_extras=tuple(sorted(set(extras) - set(values))),
    )


def _given(**values: Any) -> dict[str, Any]:
    """Leave out what is unset, so that the defaults stand in one place: the value that has them."""
    return {name: value for name, value in values.items() if value is not None}


def _extras(stored: StoredConnection) -> Extras:
    extras = json_object(stored.extra or "{}")
    if extras is None:
        raise ConfigurationError(f"extra ({len(stored.extra)} characters) is not a JSON object; correct it")
    return Extras(extras)


def _headers(values: Extras) -> dict[str, str]:
    logging = values["data_logging"]
    # Source: https://yandex.cloud/en/docs/ai-studio/operations/disable-logging
    return _given(
        **{
            "OpenAI-Project": values["folder_id"],
            "x-data-logging-enabled": None if logging is None else str(logging).lower(),
        }
    )


def _credential(stored: StoredConnection, values: Extras, url: SplitResult) -> Credential:
    auth_type = values["auth_type"] or "api_key"
    if auth_type == "none":
        if not _is_loopback(url):
            raise ConfigurationError(
                "extra 'auth_type' is none (4 characters), which is for a server on this machine only, and the host "
                f"is {url.hostname}; choose another auth_type"
            )
        return Anonymous()
    if auth_type == "iam_token":
        if values["iam_token"] is None:
            raise CredentialUnavailableError("extra 'iam_token' is empty (0 characters), and auth_type is iam_token")
        return IAMToken(values["iam_token"])
    if not stored.password:
        raise CredentialUnavailableError(
            "password is empty (0 characters): put the API key there, or choose another auth_type"
        )
    return APIKey(Secret(stored.password, name="password"), **_given(scheme=values["api_key_scheme"]))


def _base_url(stored: StoredConnection) -> SplitResult:
    host = stored.host.strip().rstrip("/") or DEFAULT_BASE_URL
    problem, url, port = "", SplitResult("", "", "", "", ""), None
    try:
        url = urlsplit(host)
        port = url.port
    except ValueError:
        problem = "is not a URL"
    if not problem:
        problem = _problem_of(url)
    if problem:
        raise ConfigurationError(f"host ({len(host)} characters) {problem}; write it like {DEFAULT_BASE_URL}")
    if stored.port is None or stored.port == port:
        return url
    if port is not None:
        raise ConfigurationError(f"host names port {port} and port is {stored.port}; leave port empty")
    return url._replace(netloc=f"{url.netloc}:{stored.port}")


def _problem_of(url: SplitResult) -> str:
    if url.scheme not in {"http", "https"} or not url.netloc:
        return "has no scheme http or https"
    if "@" in url.netloc:
        return "holds a user name or password; those go into the password"
    if not url.hostname or any(character.isspace() for character in url.geturl()):
        return "is not a URL"
    if url.query or url.fragment:
        return "has a query or fragment"
    return ""


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
