"""
Which conversation a task instance has, and what the task pushed of it, as Airflow's database has it.

The conversation and the connection follow from the task instance alone. The connection comes from the rendered fields
of the task, or from its DAG: neither can be changed by who may only edit XComs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_yandex_conv.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_yandex_conv.ui.notice import Notice

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: The field that every operator of this provider has, and no other.
_CONN_FIELD = "yandex_ai_studio_conn_id"
_XCOM_KEYS = ("conversation", "conversation_id", "response_id", "status", "usage")
#: Characters of what can be an id, and tries whose usage is shown, the last ones: XCom takes any number of either.
_MAX_ID = 1_000
_MAX_TRIES = 50
_ENDED = {"success", "failed", "upstream_failed", "removed"}
_REMOVED = "It may have been removed with its run, or be mapped: choose one of its instances."


@dataclass(frozen=True, slots=True)
class TaskName:
    """What names a task instance, and all that the address of a page holds."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


@dataclass(frozen=True, slots=True)
class TaskConversation:
    """
    A conversation, as a task instance names it.

    :param state: of the task instance.
    :param is_pushed: whether only an XCom names it, which others than the task may have written.
    :param response_id: of the response that the task asked for.
    :param status: of that response.
    :param usage: what each try was billed, by its number: ``{"1": {"input_tokens": int, ...}}``.
    """

    conn_id: str
    conversation_id: str
    state: str | None
    is_pushed: bool
    response_id: str | None = None
    status: str | None = None
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def conversation_of(task: TaskName) -> TaskConversation:
    """
    Return the conversation of a task instance.

    :raises Notice: there is none, or none that can be shown.
    """
    with create_session() as session:
        found = session.execute(select(TaskInstance.state).where(*_is(TaskInstance, task))).first()
        if found is None:
            raise Notice("There is no such task instance", _REMOVED, status=404)
        fields = session.scalar(
            select(RenderedTaskInstanceFields.rendered_fields).where(*_is(RenderedTaskInstanceFields, task))
        )
        if fields is None:
            # It did not start yet, or so many runs came later that Airflow has dropped what was rendered.
            fields = _declared_fields(task, session)
        pushed = _pushed(task, session)
    state = str(found.state) if found.state else None
    if _CONN_FIELD not in fields:
        raise Notice(
            "This task has no conversation",
            "Conversations are shown of tasks whose operator is one of the provider for Yandex AI Studio.",
        )
    given = _id(fields.get("conversation_id"))
    conversation_id = given or _pushed_id(pushed)
    if conversation_id is None:
        raise _no_conversation(state, created_by_task="conversation_id" not in fields)
    conn_id = _id(fields[_CONN_FIELD])
    if conn_id is None:
        raise Notice(
            "Airflow does not know any more how to read it",
            "The id of this task's connection is a template, and Airflow keeps what templates became for the newest "
            "runs only ([core] max_num_rendered_ti_fields_per_task).",
        )
    return TaskConversation(
        conn_id=conn_id,
        conversation_id=conversation_id,
        state=state,
        is_pushed=given is None,
        response_id=_id(pushed.get("response_id")),
        status=_id(pushed.get("status")),
        usage=_usage(pushed.get("usage")),
    )


def _is(model: Any, task: TaskName) -> tuple[Any, ...]:
    return (
        model.dag_id == task.dag_id,
        model.run_id == task.run_id,
        model.task_id == task.task_id,
        model.map_index == task.map_index,
    )


def _declared_fields(task: TaskName, session: Session) -> Mapping[str, Any]:
    """Return what the DAG says of the task's fields, templates as they stand there."""
    from airflow.models.dagbag import DBDagBag

    run = session.scalar(select(DagRun).where(DagRun.dag_id == task.dag_id, DagRun.run_id == task.run_id))
    dag = DBDagBag(load_op_links=False).get_dag_for_run(run, session=session) if run is not None else None
    if dag is None or not dag.has_task(task.task_id):
        return {}
    operator: Any = dag.get_task(task.task_id)
    names = operator.template_fields
    if _CONN_FIELD not in names:
        return {}
    if operator.is_mapped:
        # What it is mapped over is known when it runs, and not before.
        declared = {**dict.fromkeys(names), **operator.partial_kwargs}
        mapped_over = _CONN_FIELD in str(operator.expand_input.value)
        declared[_CONN_FIELD] = operator.partial_kwargs.get(_CONN_FIELD, None if mapped_over else DEFAULT_CONN_ID)
    else:
        declared = {name: getattr(operator, name, None) for name in names}
    return {name: declared[name] for name in names}


def _pushed(task: TaskName, session: Session) -> dict[str, Any]:
    rows = session.execute(
        select(XComModel.key, XComModel.value).where(*_is(XComModel, task), XComModel.key.in_(_XCOM_KEYS))
    )
    return {key: _value(value) for key, value in rows}


def _value(stored: Any) -> Any:
    """Read an XCom. What a task pushed is no reason to build anything but the values of JSON."""
    if not isinstance(stored, str):
        return stored
    try:
        read = json.loads(stored)
    except (ValueError, RecursionError):
        return stored
    return read if isinstance(read, str | dict) else stored


def _pushed_id(pushed: Mapping[str, Any]) -> str | None:
    created = pushed.get("conversation")
    return _id(created.get("id") if isinstance(created, dict) else pushed.get("conversation_id"))


def _id(value: Any) -> str | None:
    """Return an id, or None for what is none, or a template that nobody has filled in."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        return None
    return value if "{{" not in value and "{%" not in value else None


def _usage(value: Any) -> dict[str, dict[str, int]]:
    if not isinstance(value, dict):
        return {}
    return {
        str(number)[:10]: {name: count for name, count in one.items() if type(count) is int}
        for number, one in list(value.items())[-_MAX_TRIES:]
        if isinstance(one, dict)
    }


def _no_conversation(state: str | None, *, created_by_task: bool) -> Notice:
    if state == "skipped":
        return Notice("This task has no conversation", "It was skipped.")
    if state in _ENDED:
        return Notice(
            "This task has no conversation",
            f"It ended as {state}, and created none, or many at once, or pushed no id to XCom."
            if created_by_task
            else f"It ended as {state}, and was given no conversation, or Airflow does not know the id any more. What "
            "a model says outside of a conversation is in XCom.",
        )
    return Notice("There is no conversation yet", "It is shown here as soon as the task knows its id. Reload to see.")
