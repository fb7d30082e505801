from __future__ import annotations

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.api.wire import Safety

RETRY = RequestRetry(attempts=4, wait_initial=0.5, wait_max=3)
NOT_SENT = errors.APIConnectionError("x", applied=False)
LOST = errors.APITimeoutError("x")
QUOTA = errors.RateLimitError("x", status=429)
DOWN = errors.InternalServerError("x", status=503)


def asks(seconds):
    return errors.RateLimitError("x", status=429, retry_after=seconds)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0)])
def test_the_wait_is_drawn_below_a_bound_that_doubles(attempt, longest):
    assert RETRY.delay(NOT_SENT, Safety.CREATES, attempt, 1.0) == longest
    assert RETRY.delay(NOT_SENT, Safety.CREATES, attempt, 0.5) == longest / 2
    assert RETRY.delay(NOT_SENT, Safety.CREATES, attempt, 0.0) == 0


def test_the_wait_is_capped_however_many_attempts_there_are():
    assert RequestRetry(attempts=100_000, wait_max=3).delay(NOT_SENT, Safety.CREATES, 50_000, 1.0) == 3


@pytest.mark.parametrize("error", [NOT_SENT, QUOTA])
@pytest.mark.parametrize("safety", list(Safety))
def test_what_was_certainly_not_applied_is_sent_again(error, safety):
    assert RETRY.delay(error, safety, 1, 1.0) == 0.5


@pytest.mark.parametrize("error", [LOST, DOWN, errors.ConflictError("x"), errors.InvalidResponseError("x")])
def test_what_may_have_been_applied_is_sent_again_only_where_that_creates_nothing(error):
    assert RETRY.delay(error, Safety.REPEATABLE, 1, 1.0) == 0.5
    assert RETRY.delay(error, Safety.CREATES, 1, 1.0) is None
    assert RETRY.why_not(error, Safety.CREATES, 1) is None


@pytest.mark.parametrize(
    "kind",
    [
        errors.BadRequestError,
        errors.AuthenticationError,
        errors.PermissionDeniedError,
        errors.NotFoundError,
        errors.UnprocessableEntityError,
        errors.UnsupportedEndpointError,
        errors.ConfigurationError,
    ],
)
@pytest.mark.parametrize("safety", list(Safety))
def test_what_waiting_does_not_mend_is_final(kind, safety):
    assert RETRY.delay(kind("x"), safety, 1, 1.0) is None
    assert RETRY.why_not(kind("x"), safety, 1) is None


def test_the_attempts_end():
    assert RETRY.delay(QUOTA, Safety.CREATES, 4, 1.0) is None
    assert RETRY.why_not(QUOTA, Safety.CREATES, 4) == "Gave up after 4 of 4 attempts"


@pytest.mark.parametrize("seconds", [0, 0.2, 3])
def test_what_the_server_asks_for_comes_before_the_backoff(seconds):
    assert RETRY.delay(asks(seconds), Safety.CREATES, 1, 0.5) == seconds


def test_a_wait_beyond_the_cap_ends_the_call_and_says_so():
    assert RETRY.delay(asks(3.1), Safety.CREATES, 1, 0.5) is None
    said = RETRY.why_not(asks(3.1), Safety.CREATES, 1)
    assert said == "Not waited for: 3.1 s is more than the longest allowed wait of 3 s"


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"attempts": 0}, "RequestRetry.attempts must be at least 1, got 0"),
        ({"attempts": 2.0}, "RequestRetry.attempts must be a number, got float"),
        ({"attempts": True}, "RequestRetry.attempts must be a number, got bool"),
        ({"wait_max": -1}, "RequestRetry.wait_max must be at least 0, got -1"),
        ({"wait_initial": "1"}, "RequestRetry.wait_initial must be a number, got str"),
        ({"timeout": float("nan")}, "RequestRetry.timeout must be a number, got float"),
    ],
)
def test_a_knob_out_of_range_is_refused(knobs, text):
    with pytest.raises(errors.ConfigurationError) as raised:
        RequestRetry(**knobs)
    assert text in str(raised.value)
