"""What all methods of the hook share: an Airflow connection becomes a client."""

from __future__ import annotations

import json
import platform
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_yandex_conv import __version__
from airflow_provider_yandex_conv._compat import AirflowNotFoundException, mask_secret
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import ConfigurationError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.credentials import YANDEXCLOUD_CONN_ID
from airflow_provider_yandex_conv.hooks.stored import StoredConnection

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.async_client import AsyncClient
    from airflow_provider_yandex_conv.client import Client

AnyClient = TypeVar("AnyClient", "Client", "AsyncClient")


class ConnectedHook(BaseHook):
    """
    A hook with a client, which is built from the connection at the first call.

    Each noun of the API adds its methods to it; ``YandexAIStudioHook`` joins them, and describes the arguments.
    """

    conn_name_attr = "yandex_ai_studio_conn_id"
    default_conn_name = connection.DEFAULT_CONN_ID
    conn_type = connection.CONN_TYPE
    hook_name = connection.HOOK_NAME

    def __init__(
        self,
        yandex_ai_studio_conn_id: str = default_conn_name,
        *,
        request_retry: RequestRetry | None = None,
        timeout_connect: float | None = None,
        timeout_read: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.yandex_ai_studio_conn_id = yandex_ai_studio_conn_id
        self.request_retry = request_retry
        self.timeout_connect = timeout_connect
        self.timeout_read = timeout_read
        self._client: Client | None = None
        self._client_lock = threading.Lock()
        self._interrupted = False

    def get_conn(self) -> Client:
        """
        Return the client, which is built from the connection the first time.

        :raises ConfigurationError: the connection cannot be used; the message says which field to mend.
        """
        with self._client_lock:
            if self._client is None:
                from airflow_provider_yandex_conv.client import Client

                self._client = self._build(Client)
            if self._interrupted:
                self._client.interrupt()
            return self._client

    async def get_async_conn(self) -> AsyncClient:
        """
        Return a new client for the event loop, which does not wait for the connection to be looked up.

        To be closed: ``async with await hook.get_async_conn() as client``.

        :raises ConfigurationError: the connection cannot be used; the message says which field to mend.
        """
        from asgiref.sync import sync_to_async

        # Not by asyncio.to_thread: a triggerer before Airflow 3.3 is asked for the connection from this very loop.
        return await sync_to_async(self._build_async, thread_sensitive=False)()

    @property
    def cut_off(self) -> YandexAIStudioError | None:
        """What is known of the creating call that was last cut off by a time limit of the task or by a signal."""
        return self._client.cut_off if self._client is not None else None

    @property
    def is_interrupted(self) -> bool:
        """Whether :meth:`interrupt` was called."""
        return self._interrupted

    def interrupt(self) -> None:
        """
        End all waiting and send nothing more; a request under way has 2.5 s left. Safe in a signal handler.

        :raises InterruptedCallError: in a signal handler, to end the setting up of a connection that it interrupts.
        """
        self._interrupted = True
        if self._client is not None:
            self._client.interrupt()

    def _build(self, kind: type[AnyClient]) -> AnyClient:
        settings = self._settings()
        for secret in settings.secrets:
            secret.register(mask_secret)
        return kind(
            settings.endpoint.with_headers({"User-Agent": _user_agent()}).with_timeouts(
                connect=self.timeout_connect, read=self.timeout_read
            ),
            settings.credential,
            retry=self.request_retry or settings.retry,
            connection_id=self.yandex_ai_studio_conn_id,
            log=self.log,
            mask=mask_secret,
        )

    def _build_async(self) -> AsyncClient:
        from airflow_provider_yandex_conv.async_client import AsyncClient, load_transport

        load_transport()
        return self._build(AsyncClient)

    def _settings(self) -> connection.Settings:
        stored = self._stored()
        settings = connection.parse(stored, lookup=self._find)
        if settings.unknown_extras:
            self.log.warning(
                "Connection %r has extras that mean nothing here: %s",
                stored.conn_id,
                ", ".join(settings.unknown_extras),
            )
        for url in settings.exposing_urls:
            self.log.warning("Connection %r sends its credential over plain http to %s; use https", stored.conn_id, url)
        return settings

    def _stored(self) -> StoredConnection:
        """Return the connection; the default one needs no secret and no configuration where the machine has both."""
        conn_id = self.yandex_ai_studio_conn_id
        try:
            return StoredConnection.copy_of(self.get_connection(conn_id))
        except AirflowNotFoundException:
            if conn_id != self.default_conn_name:
                raise ConfigurationError(
                    f"connection {conn_id!r} is not defined; create it, or set AIRFLOW_CONN_{conn_id.upper()}"
                ) from None
        borrows = self._find(YANDEXCLOUD_CONN_ID) is not None
        self.log.info(
            "There is no connection %r; using the service account of %s",
            conn_id,
            f"connection {YANDEXCLOUD_CONN_ID!r}" if borrows else "this machine, by its metadata service",
        )
        extra = json.dumps({"auth_type": "yandexcloud" if borrows else "metadata"})
        return StoredConnection(conn_id=conn_id, host="", port=None, password="", extra=extra)

    def _find(self, conn_id: str) -> StoredConnection | None:
        """Return a connection, or None where there is none of that id."""
        try:
            return StoredConnection.copy_of(self.get_connection(conn_id))
        except AirflowNotFoundException:
            return None


def _user_agent() -> str:
    from airflow import __version__ as airflow_version

    parts = {
        "airflow-provider-yandex-conv": __version__,
        "apache-airflow": airflow_version,
        "python": platform.python_version(),
    }
    return " ".join(f"{name}/{version}" for name, version in parts.items())
