"""DAGs that create conversations in the ways that the tests need."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.operators.bulk import (
    YandexCreateConversationsOperator,
    YandexDeleteConversationsOperator,
)
from airflow_provider_yandex_conv.operators.conversations import (
    YandexCreateConversationOperator,
    YandexDeleteConversationOperator,
)
from airflow_provider_yandex_conv.operators.items import YandexAddConversationItemsOperator

SUPPORTS_RETRY_POLICIES = tuple(map(int, airflow_version.split(".")[:2])) >= (3, 3)
FAST = RequestRetry(attempts=3, wait_initial=0)
SETTINGS = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 2, "retry_delay": timedelta(0)},
}

for on_ambiguous in ("recreate", "fail"):
    with DAG(f"creating_or_{on_ambiguous}", schedule=None, **SETTINGS):
        YandexCreateConversationOperator(task_id="create", on_ambiguous=on_ambiguous, request_retry=FAST)

with DAG("creating_mapped", schedule=None, **SETTINGS):
    YandexCreateConversationOperator.partial(task_id="create", request_retry=FAST).expand(
        metadata=[{"customer": "a"}, {"customer": "b"}, {"customer": "c"}]
    )

with DAG("creating_and_failing", schedule=None, **SETTINGS | {"default_args": {}}):

    @task
    def fail(conversation_id: str) -> None:
        raise RuntimeError(f"{conversation_id} is of no use")

    create = YandexCreateConversationOperator(task_id="create")
    delete = YandexDeleteConversationOperator(task_id="delete", conversation_id=create.output)
    fail(create.output) >> delete.as_teardown(setups=create)

with DAG("creating_and_failing_either", schedule=None, **SETTINGS | {"default_args": {}}):

    @task
    def done() -> None:
        pass

    create = YandexCreateConversationOperator(task_id="create")
    delete = YandexDeleteConversationOperator(task_id="delete", conversation_id=create.output)
    work = fail(create.output)
    work >> delete.as_teardown(setups=create, on_failure_fail_dagrun=True)
    work >> done()


def fail_the_first_try(context, result=None):
    """End a try after it has done its work and before its result is pushed."""
    if context["ti"].try_number == 1:
        raise RuntimeError("the first try fails")


with DAG("creating_in_two_tries", schedule=None, **SETTINGS):
    YandexCreateConversationOperator.partial(task_id="create", post_execute=fail_the_first_try).expand(
        metadata=[{"customer": "a"}, {"customer": "b"}]
    )

with DAG("adding_in_two_tries", schedule=None, **SETTINGS):
    create = YandexCreateConversationOperator(task_id="create")
    YandexAddConversationItemsOperator(
        task_id="add",
        conversation_id=create.output,
        items=[{"role": "user", "content": str(number)} for number in range(50)],
        request_retry=FAST,
    )

with DAG("creating_many", schedule=None, **SETTINGS):
    create = YandexCreateConversationsOperator(
        task_id="create",
        conversations=lambda context, jinja_env: ({"metadata": {"n": str(number)}} for number in range(50)),
        concurrency=2,
    )
    delete = YandexDeleteConversationsOperator(task_id="delete", conversation_ids=create.output)
    create >> delete.as_teardown()

if SUPPORTS_RETRY_POLICIES:
    from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
    from airflow_provider_yandex_conv.retry_policy import YandexAIStudioRetryPolicy

    with DAG("creating_by_policy", schedule=None, **SETTINGS):

        @task(task_id="create", retry_policy=YandexAIStudioRetryPolicy())
        def create_by_hook() -> str:
            return YandexAIStudioHook(request_retry=RequestRetry(attempts=1)).create_conversation().id

        create_by_hook()
