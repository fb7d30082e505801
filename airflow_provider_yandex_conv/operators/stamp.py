"""The mark that says in a conversation's metadata which task run made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def stamp(context: Context) -> dict[str, str]:
    """
    Return the four pairs that name a task run.

    ``airflow_dag_id``, ``airflow_run_id``, ``airflow_task_id`` and ``airflow_map_index``, which is ``-1`` for a task
    that is not mapped. They are the same on every try of the task.
    """
    task_instance = context["ti"]
    return {
        "airflow_dag_id": task_instance.dag_id,
        "airflow_run_id": task_instance.run_id,
        "airflow_task_id": task_instance.task_id,
        "airflow_map_index": str(task_instance.map_index),
    }


def describe(stamped: Mapping[str, str]) -> str:
    """Return the pairs of a stamp for a log line: ``airflow_dag_id=... airflow_run_id=...``."""
    return " ".join(f"{key}={value}" for key, value in stamped.items())
