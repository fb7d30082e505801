"""The Airflow names whose place differs between the versions supported. Nothing else belongs here."""

from __future__ import annotations

try:
    from airflow.providers.common.compat.sdk import AirflowFailException
except ImportError:  # common-compat below 1.10, the newest that runs on Airflow 2.10
    from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]

__all__ = ["AirflowFailException"]
