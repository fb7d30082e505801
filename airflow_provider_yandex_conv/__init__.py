"""
Apache Airflow provider for the Conversations API of Yandex AI Studio.

Every Airflow component imports this module to learn what the package offers, so it imports the standard library only.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow shows and uses of this provider, as its ``provider_info.schema.json`` describes it."""
    from airflow_provider_yandex_conv.hooks import connection

    package = __name__
    return {
        "package-name": "airflow-provider-yandex-conv",
        "name": "Yandex AI Studio conversations",
        "description": "Conversations of `Yandex AI Studio <https://yandex.cloud/services/ai-studio>`__ as resources.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": connection.HOOK_NAME,
                "external-doc-url": "https://yandex.cloud/en/docs/ai-studio/conversations/",
                "tags": ["ai"],
            }
        ],
        "hooks": [
            {
                "integration-name": connection.HOOK_NAME,
                "python-modules": [f"{package}.hooks.yandex_ai_studio"],
            }
        ],
        "operators": [
            {
                "integration-name": connection.HOOK_NAME,
                "python-modules": [
                    f"{package}.operators.{noun}" for noun in ("conversations", "items", "responses", "bulk")
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": connection.HOOK_NAME,
                "python-modules": [f"{package}.sensors.{noun}" for noun in ("items", "responses")],
            }
        ],
        "triggers": [
            {
                "integration-name": connection.HOOK_NAME,
                "python-modules": [f"{package}.triggers.{noun}" for noun in ("items", "responses")],
            }
        ],
        "extra-links": [f"{package}.operators.links.YandexConversationLink"],
        "connection-types": [
            {
                "connection-type": connection.CONN_TYPE,
                "hook-class-name": f"{package}.hooks.yandex_ai_studio.YandexAIStudioHook",
                "hook-name": connection.HOOK_NAME,
                "ui-field-behaviour": dict(connection.UI_FIELD_BEHAVIOUR),
                "conn-fields": connection.conn_fields(),
            }
        ],
    }
