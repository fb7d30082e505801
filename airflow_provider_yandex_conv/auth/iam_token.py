"""A ready-made IAM token, which lives 12 hours at most and cannot be refreshed."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_yandex_conv.auth.secret import Secret


@dataclass(frozen=True, slots=True)
class IAMToken:
    """
    ``Authorization: Bearer <token>``.

    Source: https://yandex.cloud/en/docs/iam/concepts/authorization/iam-token
    """

    secret: Secret
    scheme: str = "Bearer"
    description: str = "IAM token"
