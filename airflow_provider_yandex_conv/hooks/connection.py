"""
What an Airflow connection of type ``yandex_ai_studio`` holds: the only module that knows its fields.

``FIELDS`` declares every extra once. The connection form of each Airflow version, the reading of values and their
checks all follow from it. Nothing here imports Airflow, as the declaration is part of the provider info that every
component reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.credential import Credential, TokenSource
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.service_account import IAM_URL
from airflow_provider_yandex_conv.auth.workload_identity import EXCHANGE_URL
from airflow_provider_yandex_conv.endpoint import FOLDER_HEADER, Endpoint, is_loopback
from airflow_provider_yandex_conv.exceptions import ConfigurationError
from airflow_provider_yandex_conv.hooks.credentials import (
    AUTH_TYPES,
    YANDEXCLOUD_CONN_ID,
    Credentials,
    Lookup,
)
from airflow_provider_yandex_conv.hooks.fields import (
    Choice,
    Extras,
    Field,
    Flag,
    FlagOrPath,
    HeaderText,
    Integer,
    Number,
    SecretDocument,
    SecretPath,
    SecretText,
    Text,
    TextMapping,
    Url,
    json_object,
)
from airflow_provider_yandex_conv.hooks.stored import StoredConnection

CONN_TYPE = "yandex_ai_studio"
DEFAULT_CONN_ID = "yandex_ai_studio_default"
HOOK_NAME = "Yandex AI Studio"
DEFAULT_BASE_URL = "https://ai.api.cloud.yandex.net/v1"
_DEFAULT_PORTS = {"http": 80, "https": 443}

FIELDS: tuple[Field, ...] = (
    HeaderText("folder_id", "Folder ID", "The folder that conversations are created in. Sent as OpenAI-Project."),
    Choice(
        "auth_type",
        "Authentication",
        "api_key: the password is an API key. iam_token, service_account, workload_identity: the extras of these "
        "names. yandexcloud: borrow another connection. metadata: the service account of this machine. chain: the "
        "first of these that has its data. none: no credential, for a server on this machine only. Default: api_key.",
        choices=AUTH_TYPES,
    ),
    Choice(
        "auth_scheme",
        "API key scheme",
        "The word before the key in the Authorization header. Bearer suits other servers that speak the OpenAI "
        "protocol. Default: Api-Key.",
        choices=("Api-Key", "Bearer"),
    ),
    SecretText("iam_token", "IAM token", "For auth_type iam_token. It lives 12 hours at most and is not refreshed."),
    SecretDocument(
        "service_account_key",
        "Service account key",
        "For auth_type service_account: the JSON of an authorized key.",
    ),
    SecretPath(
        "service_account_key_path",
        "Service account key file",
        "For auth_type service_account: the absolute path of a file with that JSON on the worker, in place of it.",
    ),
    HeaderText(
        "workload_identity_service_account_id",
        "Workload identity: service account",
        "For auth_type workload_identity: the id of the service account whose tokens are asked for.",
    ),
    SecretPath(
        "workload_identity_token_path",
        "Workload identity: token file",
        "For auth_type workload_identity: the absolute path of a file on the worker that holds the other provider's "
        "token. It is read whenever an IAM token is asked for.",
    ),
    Url(
        "workload_identity_url",
        "Workload identity: URL",
        f"Where tokens are exchanged. Default: {EXCHANGE_URL}.",
    ),
    Text(
        "yandexcloud_conn_id",
        "Yandex Cloud connection",
        "For auth_type yandexcloud: the connection whose service account is used, and whose folder where there is none "
        f"here. Default: {YANDEXCLOUD_CONN_ID}.",
    ),
    Url("iam_url", "IAM URL", f"Where a service account key is exchanged for tokens. Default: {IAM_URL}."),
    Number("timeout_connect", "Connect timeout", "Seconds to wait for a connection. Default: 10.", above=0),
    Number("timeout_read", "Read timeout", "Seconds to wait for an answer. Default: 30.", above=0),
    Integer("retry_attempts", "Attempts", "How often one request is sent at most. Default: 5.", at_least=1),
    Number(
        "retry_wait_max",
        "Longest wait",
        "Seconds between attempts; a longer Retry-After ends the call. Default: 20.",
        at_least=0,
    ),
    Number("retry_timeout", "Time budget", "Seconds for a call, attempts and waits together. Default: 60.", above=0),
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
    "hidden-fields": ["schema", "login"],
    "relabeling": {"host": "Base URL", "password": "API key", "port": "Port"},
    # The page of Airflow 3.3 sends port 0 for a stored connection that has none, and then refuses to test it.
    "placeholders": {"host": DEFAULT_BASE_URL, "port": "443: Airflow 3.3 tests only what has a port"},
}
# The form of Airflow 2 sends each extra to Test under its own name and under this prefix.
_FORM_PREFIX = f"extra__{CONN_TYPE}__"


def conn_fields() -> dict[str, dict[str, Any]]:
    """Return the form of the extras as Airflow 3.2 and later read it from the provider info."""
    return {extra.name: extra.conn_field() for extra in FIELDS}


def form_widgets() -> dict[str, Any]:
    """Return the form of the extras as Airflow below 3.2 asks the hook for it: WTForms fields by name."""
    return {extra.name: extra.form_widget() for extra in FIELDS}


def ui_field_behaviour() -> dict[str, Any]:
    """Return how standard fields are shown, as Airflow below 3.2 asks the hook for it."""
    return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}


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
    def exposing_urls(self) -> tuple[str, ...]:
        """The URLs to which a credential would cross a network unencrypted."""
        if isinstance(self.credential, TokenSource):
            urls = [self.endpoint.base_url, self.credential.network_url or ""]
        else:
            urls = [] if self.credential.secret is None else [self.endpoint.base_url]
        return tuple(url for url in urls if urlsplit(url).scheme == "http" and not is_loopback(urlsplit(url)))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must not get into logs."""
        if isinstance(self.credential, TokenSource):
            return (*self.credential.secrets, *self.endpoint.secrets)
        own = () if self.credential.secret is None else (self.credential.secret,)
        return (*own, *self.endpoint.secrets)


def parse(stored: StoredConnection, *, lookup: Lookup = lambda _: None) -> Settings:
    """
    Read and check a connection.

    :param lookup: finds the connection to borrow a credential from.
    :raises ConfigurationError: names the connection, the field, the size of its value and what to do.
    """
    try:
        return _parse(stored, lookup)
    except ConfigurationError as error:
        error.message = f"connection {stored.conn_id!r}: {error.message}"
        raise


def _parse(stored: StoredConnection, lookup: Lookup) -> Settings:
    extras = _extras(stored)
    values = Extras((extra.name, extra.read(extras)) for extra in FIELDS)
    url = _base_url(stored)
    credentials = Credentials(stored, values, url, lookup)
    return Settings(
        endpoint=Endpoint(
            base_url=url.geturl(),
            headers=_headers(values, values["folder_id"] or credentials.borrowed_folder_id),
            **_given(
                timeout_connect=values["timeout_connect"],
                timeout_read=values["timeout_read"],
                verify=values["verify"],
                proxies=values["proxies"],
            ),
        ),
        credential=credentials.chosen,
        retry=RequestRetry(
            **_given(
                attempts=values["retry_attempts"],
                wait_max=values["retry_wait_max"],
                timeout=values["retry_timeout"],
            )
        ),
        unknown_extras=tuple(sorted({name.removeprefix(_FORM_PREFIX) for name in extras} - set(values))),
    )


def _given(**values: Any) -> dict[str, Any]:
    """Leave out what is unset, so that the defaults stand in one place: the value that has them."""
    return {name: value for name, value in values.items() if value is not None}


def _extras(stored: StoredConnection) -> Extras:
    extras = json_object(stored.extra or "{}")
    if extras is None:
        raise ConfigurationError(f"extra ({len(stored.extra)} characters) is not a JSON object; correct it")
    return Extras(extras)


def _headers(values: Extras, folder_id: str | None) -> dict[str, str]:
    logging = values["data_logging"]
    # Source: https://yandex.cloud/en/docs/ai-studio/operations/disable-logging
    return _given(
        **{
            FOLDER_HEADER: folder_id,
            "x-data-logging-enabled": None if logging is None else str(logging).lower(),
        }
    )


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
    if stored.port in {None, port or _DEFAULT_PORTS[url.scheme]}:
        return url
    if port is not None:
        raise ConfigurationError(f"host names port {port} and port is {stored.port}; make both the same")
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
