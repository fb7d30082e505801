"""Lists that are too long for XCom: in a file of an object storage, with a small manifest in XCom."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv._compat import object_storage_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def write_lines(base: str, context: Context, values: Sequence[Any]) -> dict[str, Any]:
    """
    Write a file with one JSON value in each line, in order.

    Each task instance has a file of its own, ``<base>/<dag_id>/<run_id>/<task_id>.jsonl``, which a retry overwrites. A
    mapped one has ``<task_id>=<map_index>.jsonl``, as no task can be called.

    :param base: URL of a folder, such as ``s3://aws_default@bucket/conversations``.
    :return: the manifest: ``{"path": <URL of the file>, "count": <lines>, "done": <lines that are not null>}``.
    :raises Exception: it could not be written.
    """
    ti = context["ti"]
    task = ti.task_id if ti.map_index in {-1, None} else f"{ti.task_id}={ti.map_index}"
    url = "/".join([base.rstrip("/"), *(_file_name(part) for part in (ti.dag_id, ti.run_id, f"{task}.jsonl"))])
    path = object_storage_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(f"{json.dumps(value)}\n" for value in values)
    return {"path": url, "count": len(values), "done": sum(value is not None for value in values)}


def _file_name(text: str) -> str:
    """Return a text without what a storage or a URL gives a meaning of its own."""
    return re.sub(r"[^\w.=-]", "_", text)
