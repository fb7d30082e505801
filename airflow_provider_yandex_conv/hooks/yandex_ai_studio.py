"""The hook: an Airflow connection becomes a client, and each endpoint a method."""

from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_yandex_conv import __version__
from airflow_provider_yandex_conv._compat import AirflowNotFoundException, mask_secret
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api import items as items_api
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    ConfigurationError,
    NotFoundError,
    YandexAIStudioError,
)
from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.adding import ItemAdder
from airflow_provider_yandex_conv.hooks.credentials import YANDEXCLOUD_CONN_ID
from airflow_provider_yandex_conv.hooks.listing import iterate
from airflow_provider_yandex_conv.hooks.stored import StoredConnection
from airflow_provider_yandex_conv.hooks.unsupported import check_removed, not_found_or_not_offered

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation, Item
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.client import Client
    from airflow_provider_yandex_conv.sending import AttemptJournal, LostAttemptCallback

#: An id of a likely form that no conversation has.
_NO_CONVERSATION_ID = "00000000-0000-0000-0000-000000000000"
#: How many of the newest items are looked through to tell a missing item from a missing endpoint.
_LOOKED_THROUGH_ITEMS = 1000


class YandexAIStudioHook(BaseHook):
    """
    Talks to the Conversations API of Yandex AI Studio.

    Nothing is read, imported or sent before the first call. The documentation of the vendor is at
    https://yandex.cloud/en/docs/ai-studio/conversations/.

    :param yandex_ai_studio_conn_id: id of the Airflow connection. The default one need not exist: in its place the
        connection ``yandexcloud_default`` is borrowed, or else the metadata service is asked.
    :param request_retry: when a request is sent again; replaces what the connection says.
    :param timeout_connect: seconds to wait for a connection; replaces what the connection says.
    :param timeout_read: seconds to wait for an answer; replaces what the connection says.
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

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form, for Airflow below 3.2."""
        return connection.form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the standard fields of the connection form are shown, for Airflow below 3.2."""
        return connection.ui_field_behaviour()

    def get_conn(self) -> Client:
        """
        Return the client, which is built from the connection the first time.

        :raises ConfigurationError: the connection cannot be used; the message says which field to mend.
        """
        with self._client_lock:
            if self._client is None:
                self._client = self._build_client()
            if self._interrupted:
                self._client.interrupt()
            return self._client

    @property
    def cut_off(self) -> AmbiguousOutcomeError | None:
        """What is known of the creating request that was last cut off by a time limit of the task or by a signal."""
        return self._client.cut_off if self._client is not None else None

    def create_conversation(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        items: Sequence[Mapping[str, Any]] | None = None,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
    ) -> Conversation:
        """
        Create a conversation.

        ``POST /conversations`` -> ``{"id": str, "object": "conversation", "metadata": {str: str} | null,
        "created_at": <Unix seconds>}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversation

        :param metadata: up to 16 pairs, keys of at most 64 and values of at most 512 characters.
        :param items: at most 20 objects, such as ``{"role": "user", "content": "Hello"}``.
        :param on_lost: allows another attempt after one whose outcome is unknown, which may leave a conversation
            behind, and is told of each such attempt.
        :param journal: where each attempt is noted before it is sent, so that it is known of after the process died.
        :raises ConfigurationError: a limit is broken, or the connection cannot be used. Nothing was sent.
        :raises AmbiguousOutcomeError: the answer was lost; the conversation may exist.
        :raises YandexAIStudioError: the request failed; nothing was created.
        """
        call = conversations.create(metadata=metadata, items=items)
        return self.get_conn().send(call, on_lost=on_lost, journal=journal)

    def get_conversation(self, conversation_id: str) -> Conversation:
        """
        Read a conversation.

        ``GET /conversations/{conversation_id}`` -> as :meth:`create_conversation`.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/getConversation

        :raises NotFoundError: there is none of that id.
        :raises YandexAIStudioError: the request failed.
        """
        return self.get_conn().send(conversations.get(conversation_id))

    def update_conversation(self, conversation_id: str, *, metadata: Mapping[str, str]) -> Conversation:
        """
        Replace all metadata of a conversation.

        ``POST /conversations/{conversation_id}`` -> as :meth:`create_conversation`. It is repeated after a lost answer,
        as that changes nothing.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/updateConversation

        :param metadata: up to 16 pairs, keys of at most 64 and values of at most 512 characters.
        :raises ConfigurationError: a limit is broken. Nothing was sent.
        :raises NotFoundError: there is none of that id.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        with not_found_or_not_offered(partial(self._is_conversation, conversation_id)):
            return self.get_conn().send(conversations.update(conversation_id, metadata=metadata))

    def delete_conversation(self, conversation_id: str, *, ignore_missing: bool = False) -> bool:
        """
        Delete a conversation. The vendor keeps its items.

        ``DELETE /conversations/{conversation_id}`` -> ``{"id": str, "object": "conversation.deleted",
        "deleted": true}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/deleteConversation

        :param ignore_missing: whether a conversation that is not there is no error.
        :return: True if it was deleted, False if it was not there.
        :raises NotFoundError: there is none of that id, and it was not an earlier attempt of this call that removed it.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        return self._delete(
            f"Conversation {conversation_id}",
            conversations.delete(conversation_id),
            partial(self._is_conversation, conversation_id),
            ignore_missing=ignore_missing,
        )

    def add_items(
        self,
        conversation_id: str,
        items: Sequence[Mapping[str, Any]],
        *,
        on_ambiguous: Literal["reconcile", "fail"] = "reconcile",
    ) -> list[Item]:
        """
        Add items to the end of a conversation, in order; more than 20 in several requests.

        ``POST /conversations/{conversation_id}/items`` -> ``{"object": "list", "data": [item], "has_more": bool,
        "first_id": str, "last_id": str}``.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversationItems

        :param items: objects such as ``{"role": "user", "content": "Hello"}``, of any type that the vendor knows.
        :param on_ambiguous: ``reconcile`` reads the conversation after a lost answer and sends only what is missing; it
            also reads the newest item before the first request, so that equal items from before are not mistaken for
            new ones. ``fail`` raises.
        :return: all the items as stored.
        :raises ConfigurationError: an item cannot be sent. Nothing was.
        :raises NotFoundError: there is no such conversation.
        :raises AmbiguousOutcomeError: what was stored cannot be told.
        :raises YandexAIStudioError: a request failed; ``stored_item_ids`` tells what was stored before.
        """
        if on_ambiguous not in {"reconcile", "fail"}:
            raise ConfigurationError(f"on_ambiguous must be 'reconcile' or 'fail', got {on_ambiguous!r}")
        with not_found_or_not_offered(partial(self._is_conversation, conversation_id)):
            return ItemAdder(self.get_conn(), conversation_id, reconcile=on_ambiguous == "reconcile").add(items)

    def list_items(
        self,
        conversation_id: str,
        *,
        order: Literal["asc", "desc"] = "asc",
        after: str | None = None,
        page_size: int = 100,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """
        Return an iterator over the items of a conversation, which reads a page when it needs one.

        ``GET /conversations/{conversation_id}/items`` -> as :meth:`add_items`, for each page.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/listConversationItems

        :param order: ``asc`` for oldest first, ``desc`` for newest first.
        :param after: id of the item after which to begin, in that order.
        :param page_size: how many items one request asks for, 1 to 100.
        :param limit: how many items at most; None for all.
        :raises ConfigurationError: an argument is out of its range. Nothing was sent.
        :raises NotFoundError: there is no such conversation; while iterating.
        :raises YandexAIStudioError: a request failed; while iterating.
        """
        return iterate(self.get_conn(), conversation_id, order=order, after=after, page_size=page_size, limit=limit)

    def get_item(self, conversation_id: str, item_id: str) -> Item:
        """
        Read an item.

        ``GET /conversations/{conversation_id}/items/{item_id}`` -> the item.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/getConversationItem

        :raises NotFoundError: there is no such item or conversation.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        with not_found_or_not_offered(partial(self._is_item, conversation_id, item_id)):
            return self.get_conn().send(items_api.get(conversation_id, item_id))

    def delete_item(self, conversation_id: str, item_id: str, *, ignore_missing: bool = False) -> bool:
        """
        Remove an item from a conversation.

        ``DELETE /conversations/{conversation_id}/items/{item_id}`` -> the conversation.
        Source: https://yandex.cloud/en/docs/ai-studio/conversations/deleteConversationItem

        :param ignore_missing: whether an item that is not there is no error.
        :return: True if it was deleted, False if it was not there.
        :raises NotFoundError: there is no such item or conversation.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        return self._delete(
            f"Item {item_id}",
            items_api.delete(conversation_id, item_id),
            partial(self._is_item, conversation_id, item_id),
            ignore_missing=ignore_missing,
        )

    def _delete(self, thing: str, call: Call[Any], is_there: Callable[[], bool], *, ignore_missing: bool) -> bool:
        """Send a delete; return whether it, or an earlier attempt of it, removed something."""
        try:
            with not_found_or_not_offered(is_there):
                if self.get_conn().send(call) is call.if_gone:
                    check_removed(call.name, is_there)
        except NotFoundError:
            if not ignore_missing:
                raise
            self.log.info("%s is not there; nothing to delete", thing)
            return False
        return True

    def _is_conversation(self, conversation_id: str) -> bool:
        self.get_conn().send(conversations.get(conversation_id))
        return True

    def _is_item(self, conversation_id: str, item_id: str) -> bool:
        newest = self.list_items(conversation_id, order="desc", limit=_LOOKED_THROUGH_ITEMS)
        return any(item.id == item_id for item in newest)

    def test_connection(self) -> tuple[bool, str]:
        """
        Check host and credential by looking up a conversation that does not exist. Reads only and costs nothing.

        :return: whether they work, and what was checked or what is wrong.
        """
        try:
            return self._test_connection()
        except YandexAIStudioError as error:
            return False, str(error)

    def interrupt(self) -> None:
        """End all waiting and send nothing more. Safe in a signal handler."""
        self._interrupted = True
        if self._client is not None:
            self._client.interrupt()

    def _test_connection(self) -> tuple[bool, str]:
        client = self.get_conn()
        call = conversations.get(_NO_CONVERSATION_ID)
        checked = f"{client.endpoint.base_url} answered and accepted the {client.credential.description}"
        try:
            client.send(call, retry=RequestRetry(attempts=1))
        except NotFoundError as error:
            if not error.body.lstrip().startswith("{") or not urlsplit(client.endpoint.base_url).path:
                return False, f"{client.endpoint.base_url} is no Conversations API: {error}"
        return True, f"{checked} (looked up a conversation that does not exist)"

    def _build_client(self) -> Client:
        from airflow_provider_yandex_conv.client import Client

        settings = self._settings()
        for secret in settings.secrets:
            secret.register(mask_secret)
        return Client(
            settings.endpoint.with_headers({"User-Agent": _user_agent()}).with_timeouts(
                connect=self.timeout_connect, read=self.timeout_read
            ),
            settings.credential,
            retry=self.request_retry or settings.retry,
            connection_id=self.yandex_ai_studio_conn_id,
            log=self.log,
            mask=mask_secret,
        )

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
