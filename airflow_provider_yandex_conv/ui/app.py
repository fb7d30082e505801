"""
The pages as Airflow's API server serves them: only GET, and only after asking Airflow who the user is.

Airflow protects nothing that a plugin mounts, so every route here depends on Airflow's own security. What is in a
conversation was written by models and by their users: the policy of the pages allows no script and no style but the two
files beside this module, loads nothing, and lets only Airflow itself frame them.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException as StarletteHTTPException

from airflow_provider_yandex_conv import __version__
from airflow_provider_yandex_conv.operators.links import PREFIX, page_prefix
from airflow_provider_yandex_conv.ui import thread
from airflow_provider_yandex_conv.ui.items import moment
from airflow_provider_yandex_conv.ui.notice import Notice
from airflow_provider_yandex_conv.ui.task import TaskName, conversation_of

#: How many pages are made at once. Each holds a thread of the API server, which has 40 for all that it does.
MAX_AT_ONCE = 8
_HERE = Path(__file__).parent
_STATIC = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'self'; require-trusted-types-for 'script'"
    ),
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
#: What browsers drop or read in ways of their own.
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], "\N{REPLACEMENT CHARACTER}")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

templates = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
turns = threading.BoundedSemaphore(MAX_AT_ONCE)
pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer a request; every answer carries the headers that keep it harmless, that to an error as well."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = list(({b"cache-control": b"no-store"} | dict(message["headers"]) | _HEADERS).items())
        await send(message)

    await pages(scope, receive, send_guarded)


@pages.get(
    "/conversation/{dag_id}/{run_id}/{task_id}/{map_index}",
    dependencies=[
        Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)),
        # Airflow shows what a task returned to those only who may read XComs, and this is the whole of it.
        Depends(requires_access_dag("GET", DagAccessEntity.XCOM)),
    ],
)
def show(dag_id: str, run_id: str, task_id: str, map_index: str, before: str | None = None) -> Response:
    """
    Show a page of the conversation of a task instance. Airflow runs it in a thread.

    :param map_index: as Airflow's UI fills it in, which leaves ``{MAP_INDEX}`` as it is where a task is not mapped.
    :param before: the cursor of an older page; the newest without it.
    """
    task = TaskName(dag_id, run_id, task_id, _map_index(map_index))
    # Who waited here would hold a thread as well.
    if not turns.acquire(blocking=False):
        raise Notice("Too many people are reading just now", "Reload in a moment.", status=503)
    try:
        subject = conversation_of(task)
        page = thread.read(subject, dag_id, before)
    finally:
        turns.release()
    return _page(
        "conversation.html",
        task=task,
        subject=subject,
        thread=page,
        task_page=_task_page(task),
        created=moment(page.conversation.created_at),
        is_newest=before is None,
    )


@pages.get("/static/{name}", dependencies=[Depends(get_user)])
def static(name: str) -> Response:
    """Return one of the two files that pages are made with."""
    if name not in _STATIC:
        raise HTTPException(404)
    return FileResponse(
        _HERE / "static" / name, media_type=_STATIC[name], headers={"Cache-Control": "private, max-age=3600"}
    )


@pages.exception_handler(Notice)
def show_notice(_: Request, notice: Notice) -> Response:
    """Say why there is no conversation to be seen."""
    return _page("notice.html", status=notice.status, notice=notice)


@pages.exception_handler(StarletteHTTPException)
def refuse(request: Request, error: StarletteHTTPException) -> Response:
    """Send who is not logged in to the login, and tell others plainly."""
    if error.status_code == 401:
        back = quote(_address(request), safe="")
        return RedirectResponse(f"{_root()}/api/v2/auth/login?next={back}", status_code=302)
    said = {
        403: ("You may not read this", "Airflow does not let you read the task instances and XComs of this DAG."),
        404: ("There is no such page", "Its address may have been cut off."),
    }
    title, text = said.get(error.status_code, ("This does not work", f"The request was refused ({error.status_code})."))
    return _page("notice.html", status=error.status_code, notice=Notice(title, text))


@pages.exception_handler(Exception)
def fail(_: Request, error: Exception) -> Response:
    """Say that it is no fault of the reader. Starlette raises the error again, for the log."""
    notice = Notice("This page has a fault", f"The log of Airflow's API server says more ({type(error).__name__}).")
    return _page("notice.html", status=500, notice=notice)


def _page(template: str, *, status: int = 200, **values: Any) -> Response:
    html = templates.get_template(template).render(prefix=page_prefix(), version=__version__, **values)
    html = html.translate(_CONTROLS)
    # Halves of characters, which JSON can hold, cannot be sent.
    return Response(html.encode("utf-8", "replace"), status, media_type="text/html; charset=utf-8")


def _task_page(task: TaskName) -> str:
    """Return the address of the task in Airflow's UI."""
    names = [quote(name, safe="") for name in (task.dag_id, task.run_id, task.task_id)]
    mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
    return "{}/dags/{}/runs/{}/tasks/{}".format(_root(), *names) + mapped


def _root() -> str:
    """Return the path of Airflow itself, without a slash at its end."""
    return page_prefix().removesuffix(PREFIX)


def _map_index(text: str) -> int:
    if text == "{MAP_INDEX}":
        return -1
    try:
        return int(text) if len(text) < 10 else -2
    except ValueError:
        raise HTTPException(404) from None


def _address(request: Request) -> str:
    """Return the path that was asked for, with the names in it encoded as the link has them."""
    names = (quote(str(value), safe="") for value in request.path_params.values())
    return "/".join((page_prefix(), "conversation", *names))
