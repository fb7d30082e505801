"""Which credential a connection asks for, by its extra ``auth_type``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from urllib.parse import SplitResult

from airflow_provider_yandex_conv.auth import metadata, service_account, workload_identity
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.chain import Chain, first_available
from airflow_provider_yandex_conv.auth.credential import Credential
from airflow_provider_yandex_conv.auth.iam_token import IAMToken
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.auth.secret import Secret, SecretObject
from airflow_provider_yandex_conv.auth.service_account import AuthorizedKey, ServiceAccount
from airflow_provider_yandex_conv.auth.workload_identity import WorkloadIdentity
from airflow_provider_yandex_conv.auth.yandexcloud import BorrowedConnection
from airflow_provider_yandex_conv.endpoint import is_loopback
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialUnavailableError
from airflow_provider_yandex_conv.hooks.fields import Extras
from airflow_provider_yandex_conv.hooks.stored import StoredConnection

#: The connection that Managed Service for Apache Airflow configures by itself.
#: Source: https://yandex.cloud/en/docs/managed-airflow/concepts/impersonation
YANDEXCLOUD_CONN_ID = "yandexcloud_default"

#: The ways of a chain, in their order.
CHAIN = ("api_key", "iam_token", "service_account", "workload_identity", "yandexcloud", "metadata")
AUTH_TYPES = (*CHAIN, "chain", "none")

#: Returns another connection, or None where there is none of that id.
Lookup = Callable[[str], StoredConnection | None]


class Credentials:
    """
    The ways to authenticate that a connection may ask for.

    :param stored: the connection.
    :param values: its extras, checked.
    :param base_url: where requests go.
    :param lookup: finds the connection to borrow from.
    """

    def __init__(self, stored: StoredConnection, values: Extras, base_url: SplitResult, lookup: Lookup) -> None:
        self._stored = stored
        self._values = values
        self._base_url = base_url
        self._lookup = lookup

    @cached_property
    def chosen(self) -> Credential:
        """
        The credential.

        :raises CredentialUnavailableError: the connection lacks its data.
        :raises ConfigurationError: its data cannot be used.
        """
        return self._ways[self._auth_type]()

    @property
    def borrowed_folder_id(self) -> str | None:
        """The folder that comes with a borrowed credential."""
        borrows = self._auth_type == "yandexcloud" or (
            isinstance(self.chosen, Chain) and self.chosen.name == "yandexcloud"
        )
        return self._borrowed.folder_id if borrows else None

    @property
    def _auth_type(self) -> str:
        return str(self._values["auth_type"] or "api_key")

    @property
    def _ways(self) -> Mapping[str, Callable[[], Credential]]:
        return {
            "api_key": self._api_key,
            "iam_token": self._iam_token,
            "service_account": self._service_account,
            "workload_identity": self._workload_identity,
            "yandexcloud": self._yandexcloud,
            "metadata": self._metadata,
            "chain": self._chain,
            "none": self._none,
        }

    def _api_key(self) -> Credential:
        if not self._stored.password:
            raise CredentialUnavailableError(
                "password is empty (0 characters): put the API key there, or choose another auth_type"
            )
        return APIKey(Secret(self._stored.password, name="password"), self._values["auth_scheme"] or "Api-Key")

    def _iam_token(self) -> Credential:
        if self._values["iam_token"] is None:
            raise self._empty("iam_token")
        return IAMToken(self._values["iam_token"])

    def _service_account(self) -> Credential:
        path, name = self._values["service_account_key_path"], "extra 'service_account_key_path'"
        if self._values["service_account_key"] is not None:
            if path is not None:
                raise ConfigurationError(
                    "extras 'service_account_key' and 'service_account_key_path' are both set; leave one empty"
                )
            key = AuthorizedKey.from_object(self._values["service_account_key"], name="extra 'service_account_key'")
        elif path is not None:
            key = AuthorizedKey.from_file(path, name=name)
        else:
            raise self._empty("service_account_key")
        return ServiceAccount(key, self._iam_url)

    def _workload_identity(self) -> Credential:
        for needed in ("workload_identity_service_account_id", "workload_identity_token_path"):
            if self._values[needed] is None:
                raise self._empty(needed)
        credential = WorkloadIdentity(
            self._values["workload_identity_service_account_id"],
            self._values["workload_identity_token_path"],
            self._values["workload_identity_url"] or workload_identity.EXCHANGE_URL,
        )
        credential.subject_token()  # so that a file that is not here is known before the first request
        return credential

    def _yandexcloud(self) -> Credential:
        return self._borrowed.source(iam_url=self._iam_url, metadata_address=_metadata_address())

    def _metadata(self) -> Credential:
        return Metadata(_metadata_address())

    def _chain(self) -> Credential:
        ways = {**self._ways, "yandexcloud": self._named_yandexcloud}
        return first_available((name, ways[name]) for name in CHAIN)

    def _named_yandexcloud(self) -> Credential:
        """In a chain only a connection that is named is borrowed from."""
        if self._values["yandexcloud_conn_id"] is None:
            raise self._empty("yandexcloud_conn_id")
        return self._yandexcloud()

    def _none(self) -> Credential:
        if not is_loopback(self._base_url):
            raise ConfigurationError(
                "extra 'auth_type' is none (4 characters), which is for a server on this machine only, and the host "
                f"is {self._base_url.hostname}; choose another auth_type"
            )
        return Anonymous()

    @cached_property
    def _borrowed(self) -> BorrowedConnection:
        conn_id = self._values["yandexcloud_conn_id"] or YANDEXCLOUD_CONN_ID
        found = self._lookup(conn_id)
        if found is None:
            raise CredentialUnavailableError(f"there is no connection {conn_id!r} to borrow from")
        return BorrowedConnection(conn_id, SecretObject.parse(found.extra))

    @property
    def _iam_url(self) -> str:
        return str(self._values["iam_url"] or service_account.IAM_URL)

    def _empty(self, extra: str) -> CredentialUnavailableError:
        wanted = "" if self._auth_type == "chain" else f", and auth_type is {self._auth_type}"
        return CredentialUnavailableError(f"extra {extra!r} is empty (0 characters){wanted}")


def _metadata_address() -> str:
    return os.environ.get(metadata.ADDRESS_VARIABLE) or metadata.DEFAULT_ADDRESS
