"""An API key of a service account."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_yandex_conv.auth.secret import Secret


@dataclass(frozen=True, slots=True)
class APIKey:
    """
    ``Authorization: Api-Key <key>``.

    Source: https://yandex.cloud/en/docs/ai-studio/api-ref/authentication

    :param scheme: ``Api-Key``, or ``Bearer`` for other servers that speak the OpenAI protocol.
    """

    secret: Secret
    scheme: str = "Api-Key"
    description: str = "API key"
