"""One page of a conversation, as the service has it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_yandex_conv.api import items as items_api
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.exceptions import BadRequestError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.ui import cursor as cursors
from airflow_provider_yandex_conv.ui.items import Entry, Reader
from airflow_provider_yandex_conv.ui.notice import Notice, of_error

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation, ItemPage
    from airflow_provider_yandex_conv.ui.task import TaskConversation

#: How many items are on a page.
PAGE_SIZE = 25
#: Seconds. Somebody waits for the page, and a thread of Airflow's API server with them.
_TIMEOUT_CONNECT = 3.0
_TIMEOUT_READ = 5.0
_RETRY = RequestRetry(attempts=2, wait_initial=0.2, wait_max=1.0, timeout=6.0)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thread:
    """
    A page of a conversation.

    :param entries: oldest first.
    :param older: the cursor of the page before, as an address holds it, or None where this one begins with the first
        item.
    """

    conversation: Conversation
    entries: list[Entry]
    older: str | None


def read(task_conversation: TaskConversation, dag_id: str, cursor: str | None) -> Thread:
    """
    Read a page.

    :param dag_id: of the task.
    :param cursor: of an older page; None for the newest.
    :raises Notice: it cannot be shown.
    """
    conversation_id = task_conversation.conversation_id
    after = cursors.read(conversation_id, cursor) if cursor is not None else None
    if cursor is not None and after is None:
        raise Notice("There is no such page", "Its address was not made for this conversation.", status=404)
    try:
        conversation, page = _fetch(task_conversation.conn_id, conversation_id, after)
    except YandexAIStudioError as error:
        log.warning("A page of conversation %s could not be shown: %s", conversation_id, error)
        if after is not None and isinstance(error, BadRequestError):
            raise Notice("This part is not there any more", "The item that it began with was deleted.") from error
        raise of_error(error, conversation_id) from error
    made_by = conversation.metadata.get("airflow_dag_id")
    if task_conversation.is_pushed and made_by not in {None, dag_id}:
        raise Notice(
            "This conversation is another DAG's",
            "Only an XCom says that it is this task's, and another DAG has created it. Its own task shows it.",
            status=403,
        )
    more = page.has_more and bool(page.items) and bool(page.last_id) and page.last_id != after
    return Thread(
        conversation=conversation,
        entries=list(reversed(Reader().entries(page.items))),
        older=quote(cursors.write(conversation_id, page.last_id), safe="", errors="replace") if more else None,
    )


def _fetch(conn_id: str, conversation_id: str, after: str | None) -> tuple[Conversation, ItemPage]:
    hook = YandexAIStudioHook(
        conn_id, request_retry=_RETRY, timeout_connect=_TIMEOUT_CONNECT, timeout_read=_TIMEOUT_READ
    )
    client = hook.get_conn()
    try:
        conversation = hook.get_conversation(conversation_id)
        page = client.send(items_api.list_page(conversation_id, order="desc", after=after, limit=PAGE_SIZE))
    finally:
        client.close()
    return conversation, page
