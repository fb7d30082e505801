"""
A connection of type ``yandexcloud``, which belongs to Airflow's own Yandex provider.

It is read here, without that provider. Its ``endpoint`` is ignored: it is a gRPC host, no base URL of this API.
Source: https://airflow.apache.org/docs/apache-airflow-providers-yandex/stable/connections/yandexcloud.html
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_yandex_conv.auth.credential import TokenSource
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.auth.paths import is_path
from airflow_provider_yandex_conv.auth.secret import SecretObject
from airflow_provider_yandex_conv.auth.service_account import AuthorizedKey, ServiceAccount
from airflow_provider_yandex_conv.exceptions import ConfigurationError


class BorrowedConnection:
    """
    What a ``yandexcloud`` connection says of credentials.

    :param conn_id: for messages.
    :param extras: each by its short name, or by its legacy name ``extra__yandexcloud__<name>``.
    """

    def __init__(self, conn_id: str, extras: SecretObject) -> None:
        self._conn_id = conn_id
        self._extras = extras

    @property
    def folder_id(self) -> str | None:
        """
        The folder, or None where it names none.

        :raises ConfigurationError: no header can carry it.
        """
        if self._field("folder_id") is None:
            return None
        folder = str(self._field("folder_id")).strip()
        if not re.fullmatch(r"[!-~]+", folder):
            raise ConfigurationError(
                f"{self._name('folder_id')} must be a text of visible ASCII characters without spaces; correct it"
            )
        return folder

    def source(self, *, iam_url: str, metadata_address: str) -> TokenSource:
        """
        Return its way to get tokens: the key file comes before the key, and nothing at all means the metadata service.

        :raises CredentialUnavailableError: its key file is not on this machine.
        :raises ConfigurationError: its key cannot be used, or it has nothing but an OAuth token.
        """
        if self._field("service_account_json_path") is not None:
            if not is_path(str(self._field("service_account_json_path")).strip()):
                raise ConfigurationError(
                    f"{self._name('service_account_json_path')} must be the absolute path of a file, got "
                    f"{len(str(self._field('service_account_json_path')))} characters; correct it"
                )
            path = str(self._field("service_account_json_path")).strip()
            return ServiceAccount(AuthorizedKey.from_file(path, name=self._name("service_account_json_path")), iam_url)
        if self._field("service_account_json") is not None:
            document = SecretObject.parse(self._field("service_account_json"))
            return ServiceAccount(AuthorizedKey.from_object(document, name=self._name("service_account_json")), iam_url)
        if self._field("oauth") is not None:
            raise ConfigurationError(
                f"{self._name('oauth')} is all that there is, and OAuth tokens are not offered here, as the vendor "
                "ends them; give that connection a service account, or use another auth_type"
            )
        return Metadata(metadata_address)

    def _field(self, name: str) -> Any:
        """Return a field, the short name first, or None where it is null or empty."""
        for key in (name, f"extra__yandexcloud__{name}"):
            if self._extras.get(key) not in (None, ""):
                return self._extras[key]
        return None

    def _name(self, field: str) -> str:
        return f"{field!r} of connection {self._conn_id!r}"
