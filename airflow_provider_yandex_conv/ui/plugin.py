"""
What Airflow loads to show our page. Its scheduler, DAG processor, triggerer and API server all do, so it is cheap.

It is found by the entry point ``airflow.plugins``: what the provider info names is not loaded by default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_yandex_conv._compat import has_task_pages
from airflow_provider_yandex_conv.operators.links import PREFIX, YandexConversationLink, page_prefix

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class LazyApp:
    """The pages as an ASGI application, which is imported at the first request, and so by the API server only."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._app is None:
            # An import in the event loop would let all other requests wait for it.
            self._app = await asyncio.to_thread(_load_app)
        await self._app(scope, receive, send)


def _load_app() -> ASGIApp:
    from airflow_provider_yandex_conv.ui.app import app

    return app


class PageLink(YandexConversationLink):
    """The link as the API server computes it for the operators of this provider."""

    @property
    def operators(self) -> list[type]:  # type: ignore[override]
        """The operators that have it. Airflow asks when it shows a DAG, and the scheduler never does."""
        from airflow_provider_yandex_conv.ui.operators import LINKED

        return list(LINKED)


class YandexAIStudioPlugin(AirflowPlugin):
    """A tab on each task instance, the page in it, and the link to the page."""

    name = "yandex_ai_studio"
    fastapi_apps = [{"name": "Yandex AI Studio", "app": LazyApp(), "url_prefix": PREFIX}] if has_task_pages() else []
    external_views = (
        [
            {
                "name": "Conversation",
                "href": f"{page_prefix()}/conversation/{{DAG_ID}}/{{RUN_ID}}/{{TASK_ID}}/{{MAP_INDEX}}",
                "destination": "task_instance",
                "url_route": "yandex-conversation",
            }
        ]
        if has_task_pages()
        else []
    )
    operator_extra_links = [PageLink()] if has_task_pages() else []
