"""
Keep one conversation per customer over many runs, and ask in each of them every night.

A conversation outlives the run that created it, and nothing at the vendor lists conversations: its id has to be kept.
Here an Airflow Variable per customer keeps it. Conversations are created for customers who have none; all nights after
find them.

No more than ten questions are under way at once, whichever DAGs ask them: the tasks share the pool
``yandex_ai_studio``, as the vendor limits the requests in flight. Make it once:
``airflow pools set yandex_ai_studio 10 "Requests in flight at Yandex AI Studio"``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import Variable, dag, task  # in a DAG for Airflow 3 only: from airflow.sdk

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

CUSTOMERS = ["ada", "grace", "mary"]


def variable_of(customer: str) -> str:
    """Name the Variable that keeps the id of a customer's conversation."""
    return f"yandex_ai_studio_conversation_of_{customer}"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # two runs at once would both find that a customer has none
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["yandex-ai-studio"],
)
def nightly_per_customer() -> None:
    """Create what is missing, remember it, ask."""

    @task
    def customers_without() -> list[dict[str, str]]:
        """Return metadata for the conversations that are missing."""
        return [{"customer": one} for one in CUSTOMERS if Variable.get(variable_of(one), None) is None]

    @task
    def remember(conversation_id: str) -> None:
        """Keep the id of a conversation under the customer whom its metadata names."""
        customer = YandexAIStudioHook().get_conversation(conversation_id).metadata["customer"]
        Variable.set(variable_of(customer), conversation_id)

    @task(trigger_rule="none_failed")  # on most nights nothing is missing, and what is above is skipped
    def questions(ds: str | None = None) -> list[dict[str, str]]:
        """Return what to ask in which conversation."""
        return [
            {"conversation_id": Variable.get(variable_of(one)), "input": f"What is new on {ds}?"} for one in CUSTOMERS
        ]

    create = YandexCreateConversationOperator.partial(task_id="create").expand(metadata=customers_without())
    asked = questions()
    remember.expand(conversation_id=create.output) >> asked
    YandexCreateResponseOperator.partial(
        task_id="ask",
        model="yandexgpt",
        instructions="Answer in one sentence.",
        pool="yandex_ai_studio",
        deferrable=True,
    ).expand_kwargs(asked)


nightly_per_customer()
