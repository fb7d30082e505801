"""The hook: an Airflow connection becomes a client, and each endpoint a method."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import NotFoundError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.bulk import BulkMethods
from airflow_provider_yandex_conv.hooks.conversations import ConversationMethods
from airflow_provider_yandex_conv.hooks.items import ItemMethods
from airflow_provider_yandex_conv.hooks.responses import ResponseMethods

#: An id of a likely form that no conversation has.
_NO_CONVERSATION_ID = "00000000-0000-0000-0000-000000000000"


class YandexAIStudioHook(BulkMethods, ConversationMethods, ItemMethods, ResponseMethods):
    """
    Talks to the Conversations and Responses APIs of Yandex AI Studio.

    Nothing is read, imported or sent before the first call. The documentation of the vendor is at
    https://yandex.cloud/en/docs/ai-studio/conversations/ and https://yandex.cloud/en/docs/ai-studio/responses/.

    :param yandex_ai_studio_conn_id: id of the Airflow connection. The default one need not exist: in its place the
        connection ``yandexcloud_default`` is borrowed, or else the metadata service is asked.
    :param request_retry: when a request is sent again; replaces what the connection says.
    :param timeout_connect: seconds to wait for a connection; replaces what the connection says.
    :param timeout_read: seconds to wait for an answer; replaces what the connection says.
    """

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form, for Airflow below 3.2."""
        return connection.form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the standard fields of the connection form are shown, for Airflow below 3.2."""
        return connection.ui_field_behaviour()

    def test_connection(self) -> tuple[bool, str]:
        """
        Check host and credential by looking up a conversation that does not exist. Reads only and costs nothing.

        :return: whether they work, and what was checked or what is wrong.
        """
        try:
            return self._test_connection()
        except YandexAIStudioError as error:
            # Airflow tests a copy under a random id, which nobody knows.
            return False, str(error).removeprefix(f"connection {self.yandex_ai_studio_conn_id!r}: ")

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
