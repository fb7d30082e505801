"""The button on a task that leads to the page where its conversation can be read."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_yandex_conv._compat import conf, has_task_pages

#: Where the pages of this provider begin on Airflow's API server.
PREFIX = "/yandex-ai-studio"


class TaskKey(Protocol):
    """What names a task instance; Airflow's key of one and the running one itself both have it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


def page_prefix() -> str:
    """Return the path of our pages, below that of Airflow's ``[api] base_url``: ``/airflow/yandex-ai-studio``."""
    return urlsplit(str(conf.get("api", "base_url", fallback=None) or "")).path.rstrip("/") + PREFIX


def page_path(task: TaskKey) -> str:
    """Return the path of a task's page. It holds nothing but what names the task."""
    names = (task.dag_id, task.run_id, task.task_id, str(task.map_index))
    return "/".join((page_prefix(), "conversation", *(quote(name, safe="") for name in names)))


class YandexConversationLink(BaseOperatorLink):
    """
    Leads to the page that shows the conversation of a task.

    Airflow's plugin of this provider computes it in the API server, so that it is there before, while and after the
    task runs. For operators that are derived from those of this provider, Airflow has it computed by the task instead,
    at the end of a try.
    """

    name = "Conversation"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the path of the page."""
        return page_path(ti_key)


#: Before Airflow 3.1 there is no page, and the vendor documents no address of a conversation in its console.
CONVERSATION_LINKS: tuple[BaseOperatorLink, ...] = (YandexConversationLink(),) if has_task_pages() else ()
