"""When Airflow retries a task, and when, as far as the error says; and that older versions say what they lack."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import airflow
import pytest

from airflow_provider_yandex_conv import exceptions as errors

AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])
needs_policies = pytest.mark.skipif(AIRFLOW < (3, 3), reason="Airflow has retry policies from 3.3 on")


@pytest.mark.skipif(AIRFLOW >= (3, 3), reason="Airflow below 3.3 lacks retry policies")
def test_an_airflow_without_policies_says_so():
    with pytest.raises(ImportError) as raised:
        from airflow_provider_yandex_conv import retry_policy  # noqa: F401
    assert str(raised.value) == (
        f"YandexAIStudioRetryPolicy needs Airflow 3.3 or later, and this is {airflow.__version__}; leave retry_policy "
        "out here"
    )


@pytest.fixture
def decide():
    from airflow_provider_yandex_conv.retry_policy import YandexAIStudioRetryPolicy

    def evaluate(error, task=None, **arguments):
        policy = YandexAIStudioRetryPolicy(**arguments)
        again = YandexAIStudioRetryPolicy.deserialize(policy.serialize())
        decision = again.evaluate(error, 1, 3, None if task is None else {"task": task})
        return decision.action.value, decision.retry_delay

    return evaluate


@needs_policies
@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigurationError("x"),
        errors.CredentialUnavailableError("x"),
        errors.CredentialRefreshError("x"),
        errors.BadRequestError("x", status=400),
        errors.AuthenticationError("x", status=401),
        errors.PermissionDeniedError("x", status=403),
        errors.UnprocessableEntityError("x", status=422),
        errors.UnsupportedEndpointError("x", status=501),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_retry_can_mend_fails_at_once(decide, error):
    assert decide(error) == ("fail", None)


@needs_policies
@pytest.mark.parametrize(
    "error",
    [
        errors.NotFoundError("x", status=404),
        errors.InternalServerError("x", status=503),
        errors.APITimeoutError("x"),
        errors.CredentialRefreshError("x", transient=True),
        errors.InterruptedCallError("x"),
        errors.TaskStateStoreError("x"),
        errors.RateLimitError("x", status=429),
        ValueError("x"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_left_to_the_settings_of_the_task(decide, error):
    assert decide(error) == ("default", None)


@needs_policies
def test_the_wait_that_the_server_asks_for_becomes_the_delay_of_the_retry(decide):
    assert decide(errors.RateLimitError("x", status=429, retry_after=90)) == ("retry", timedelta(seconds=90))
    assert decide(errors.InternalServerError("x", status=503, retry_after=0.5)) == ("retry", timedelta(seconds=0.5))
    assert decide(errors.RateLimitError("x", status=429, retry_after=1e300)) == ("retry", timedelta(hours=1))
    assert decide(errors.RateLimitError("x", status=429, retry_after=90), retry_after_max=timedelta(seconds=30)) == (
        "retry",
        timedelta(seconds=30),
    )


@needs_policies
@pytest.mark.parametrize(
    ("task", "arguments", "action"),
    [
        (None, {}, "fail"),
        (SimpleNamespace(), {}, "fail"),
        (SimpleNamespace(on_ambiguous="recreate"), {}, "default"),
        (SimpleNamespace(on_ambiguous="reconcile"), {}, "default"),
        (SimpleNamespace(on_ambiguous="fail"), {}, "fail"),
        (SimpleNamespace(on_ambiguous="recreate"), {"on_ambiguous": "fail"}, "fail"),
        (None, {"on_ambiguous": "retry"}, "default"),
    ],
)
def test_an_ambiguous_outcome_is_retried_only_where_that_is_allowed(decide, task, arguments, action):
    assert decide(errors.AmbiguousOutcomeError("x"), task, **arguments) == (action, None)


@needs_policies
@pytest.mark.parametrize(
    "arguments", [{"on_ambiguous": "recreate"}, {"retry_after_max": 60}, {"retry_after_max": timedelta(seconds=-1)}]
)
def test_arguments_that_mean_nothing_are_refused_when_the_dag_is_parsed(decide, arguments):
    with pytest.raises(errors.ConfigurationError):
        decide(None, **arguments)


@needs_policies
def test_a_real_task_waits_as_the_server_asks_and_gives_up_where_that_is_useless(run_dag, emulator):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "1"})
    outcome = run_dag("creating_by_policy")
    assert (outcome.state, outcome.tries("create")) == ("success", 2)
    first, second = (one for one in emulator.requests if one.operation == "createConversation")
    assert second.received_at - first.received_at >= 1

    emulator.reset()
    emulator.fail("createConversation", status=503, applied=True)
    outcome = run_dag("creating_by_policy")
    assert (outcome.state, outcome.tries("create")) == ("failed", 1)
    assert len(emulator.conversations) == 1
