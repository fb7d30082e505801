"""The Airflow names whose place differs between the versions supported. Nothing else belongs here."""

from __future__ import annotations

from typing import Any

try:
    from airflow.providers.common.compat.sdk import AirflowFailException
except ImportError:  # common-compat below 1.10, the newest that runs on Airflow 2.10
    from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]

try:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException
except ImportError:  # as above
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]

try:
    from airflow.providers.common.compat.sdk import mask_secret
except ImportError:
    try:
        from airflow.sdk.log import mask_secret  # Airflow 3 with an older common-compat
    except ImportError:
        from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[import-not-found,no-redef]  # Airflow 2

try:
    from airflow.providers.common.compat.sdk import AirflowException, AirflowSensorTimeout, AirflowSkipException
except ImportError:  # as above
    from airflow.exceptions import (  # type: ignore[no-redef,attr-defined]
        AirflowException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )

try:
    from airflow.providers.common.compat.sdk import conf
except ImportError:
    from airflow.configuration import conf

try:
    from airflow.providers.common.compat.sdk import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred  # type: ignore[no-redef]


def never_expire() -> Any:
    """Return what keeps a value in the task state store for good, or None where Airflow has no such store."""
    try:  # when it is needed, as this takes longer to import than all else here
        from airflow.sdk.execution_time.context import NEVER_EXPIRE
    except ImportError:
        return None
    return NEVER_EXPIRE


def object_storage_path(url: str) -> Any:
    """Return Airflow's path of a file in an object storage, with the connection of its URL: ``s3://aws_default@a/b``."""
    try:  # when it is needed, as with never_expire()
        from airflow.sdk import ObjectStoragePath
    except ImportError:
        from airflow.io.path import ObjectStoragePath  # type: ignore[import-not-found,no-redef]  # Airflow 2
    return ObjectStoragePath(url)


def event_trigger() -> type:
    """Return Airflow's base of the triggers that asset watchers take, or below Airflow 3 that of all triggers."""
    try:  # when it is needed, as a DAG file needs no trigger
        from airflow.triggers.base import BaseEventTrigger
    except ImportError:
        from airflow.triggers.base import BaseTrigger

        return BaseTrigger
    return BaseEventTrigger


def has_task_pages() -> bool:
    """Whether Airflow shows pages of plugins as tabs of a task, as 3.1 and later do."""
    from airflow import __version__

    return tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 1)


def retry_policy(name: str) -> tuple[type, type]:
    """
    Return Airflow's ``RetryPolicy`` and ``RetryDecision``.

    :param name: who needs them, for the message.
    :raises ImportError: Airflow is below 3.3, which has none.
    """
    try:
        from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
    except ImportError:
        from airflow import __version__

        raise ImportError(
            f"{name} needs Airflow 3.3 or later, and this is {__version__}; leave retry_policy out here"
        ) from None
    return RetryPolicy, RetryDecision


__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferred",
    "conf",
    "event_trigger",
    "has_task_pages",
    "mask_secret",
    "never_expire",
    "object_storage_path",
    "retry_policy",
]
