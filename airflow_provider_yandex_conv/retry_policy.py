"""
When Airflow retries a task that failed with an error of this provider. For Airflow 3.3 and later.

Source: https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/tasks.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv._compat import retry_policy
from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.exceptions import (
    AmbiguousOutcomeError,
    ConfigurationError,
    YandexAIStudioError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryDecision, RetryPolicy
else:
    RetryPolicy, RetryDecision = retry_policy("YandexAIStudioRetryPolicy")


class YandexAIStudioRetryPolicy(RetryPolicy):
    """
    Retry a task when that can help, and when the service allows it.

    - An error that no retry can mend, such as a refused credential, fails the task at once.
    - ``Retry-After`` becomes the delay of the retry.
    - Anything else, errors of others included, is left to the task's own settings.

    The number of ``retries`` stays the task's own. The operators of this provider fail at once by themselves where no
    retry can help; tasks that call the hook need this policy for it.

    :param on_ambiguous: what to do where nobody can tell whether something was created: ``fail``, as a retry may create
        a second one, or ``retry``. None does as the operator's own ``on_ambiguous`` says, and fails a task without one.
    :param retry_after_max: the longest delay; a server that asks for more is asked again after that.
    """

    def __init__(
        self,
        *,
        on_ambiguous: Literal["fail", "retry"] | None = None,
        retry_after_max: timedelta = timedelta(hours=1),
    ) -> None:
        if on_ambiguous is not None:
            check_choice("on_ambiguous", on_ambiguous, "fail", "retry")
        if not isinstance(retry_after_max, timedelta) or retry_after_max < timedelta(0):
            raise ConfigurationError("retry_after_max must be a timedelta of at least 0")
        self.on_ambiguous = on_ambiguous
        self.retry_after_max = retry_after_max

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide on a retry.

        :param exception: what the task failed with.
        :param context: of the task, for what its operator says of ambiguous outcomes.
        """
        del try_number, max_tries
        if not isinstance(exception, YandexAIStudioError):
            return RetryDecision.default()
        if exception.final:
            return RetryDecision.fail(f"No retry can mend it: {exception}")
        if isinstance(exception, AmbiguousOutcomeError) and not self._may_repeat(context):
            return RetryDecision.fail(f"A retry may create a second one: {exception}")
        if exception.retry_after is None:
            return RetryDecision.default()
        delay = min(timedelta(seconds=min(exception.retry_after, 1e9)), self.retry_after_max)
        return RetryDecision.retry(delay, f"The server asks to wait {exception.retry_after:g} s")

    def serialize(self) -> dict[str, Any]:
        """``{"on_ambiguous": str | None, "retry_after_max": <seconds>}``."""
        return {"on_ambiguous": self.on_ambiguous, "retry_after_max": self.retry_after_max.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> YandexAIStudioRetryPolicy:
        """Read what :meth:`serialize` gives."""
        return cls(on_ambiguous=data["on_ambiguous"], retry_after_max=timedelta(seconds=data["retry_after_max"]))

    def _may_repeat(self, context: Context | None) -> bool:
        if self.on_ambiguous is not None:
            return self.on_ambiguous == "retry"
        task = context.get("task") if context else None
        # What an operator raises as ambiguous, and not as final, its author allows to be done again.
        return getattr(task, "on_ambiguous", "fail") != "fail"
