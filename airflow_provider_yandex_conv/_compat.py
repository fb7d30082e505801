"""The Airflow names whose place differs between the versions supported. Nothing else belongs here."""

from __future__ import annotations

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
        from airflow.sdk.execution_time.secrets_masker import mask_secret  # type: ignore[no-redef]  # Airflow 3.0
    except ImportError:
        from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[import-not-found,no-redef]  # Airflow 2

__all__ = ["AirflowFailException", "AirflowNotFoundException", "mask_secret"]
