"""The decisions of a window, told of outcomes at times that a test makes up."""

from __future__ import annotations

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.bulk.throttle import Throttle
from airflow_provider_yandex_conv.exceptions import APIConnectionError, ConfigurationError, RateLimitError

RETRY = RequestRetry(wait_initial=1, wait_max=8, timeout=60)
TOO_MANY = "ai.x.count gauge quota limit exceed: allowed 10 requests"
TOO_FAST = "ai.x.rate rate quota limit exceed: allowed 10 requests"


def throttle(concurrency=100, rate=None):
    return Throttle(concurrency=concurrency, rate=rate, retry=RETRY, draw=lambda: 1.0)


def refusal(message, retry_after=None):
    return RateLimitError(message, status=429, retry_after=retry_after)


def fill(one, now=0.0):
    """Let as many leave as may, and return how many are under way."""
    while one.wait(now) == 0:
        one.leave(now)
    return one.in_flight


def answer(one, now=0.0, count=1):
    for _ in range(count):
        one.succeeded(now)
        one.came_back()


def refuse(one, message=TOO_MANY, now=0.0, retry_after=None):
    one.refused(refusal(message, retry_after), now)
    one.came_back()


@pytest.mark.parametrize("concurrency", [0, -1, True, 1.5, "10", None])
def test_a_concurrency_is_a_number(concurrency):
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number of at least 1"):
        throttle(concurrency)


@pytest.mark.parametrize("rate", [0, -1, True, "10", float("nan"), float("inf")])
def test_a_rate_is_a_number(rate):
    with pytest.raises(ConfigurationError, match="rate must be a number of requests per second greater than 0"):
        throttle(rate=rate)


def test_the_window_opens_with_the_answers():
    one = throttle()
    assert fill(one) == 10
    answer(one, count=10)
    assert fill(one) == 20
    answer(one, count=20)
    assert fill(one) == 40


def test_the_window_never_opens_wider_than_allowed():
    one = throttle(5)
    assert fill(one) == 5
    answer(one, count=5)
    assert fill(one) == 5


def test_each_refusal_takes_one_from_the_window():
    one = throttle()
    fill(one)
    answer(one, count=10)
    assert fill(one) == 20
    for _ in range(10):
        refuse(one)
    assert one.limit == 10
    answer(one, count=10)
    assert fill(one) == 10


def settled_at(limit):
    one = throttle()
    fill(one)
    while one.limit > limit:
        refuse(one)
    return one


def test_after_a_while_without_a_refusal_the_window_grows_by_one():
    one = settled_at(4)
    for number in range(64):
        assert one.limit == 4, number
        answer(one)
        fill(one)
    assert one.limit == 5


def test_a_window_that_was_opened_too_wide_waits_longer_each_time():
    one = settled_at(4)
    waits = []
    for _ in range(7):
        answers = 0
        while one.limit == 4:
            fill(one)
            answer(one)
            answers += 1
        waits.append(answers)
        fill(one)
        refuse(one)
    assert waits == [64, 128, 256, 512, 1024, 1024, 1024]


def test_a_quota_that_others_use_up_is_asked_for_now_and_then():
    one = settled_at(1)
    one.came_back()
    waits, now = [], 0.0
    for _ in range(5):
        one.leave(now)
        refuse(one, now=now)
        waits.append(one.wait(now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 8]


def test_a_rate_that_is_refused_is_waited_for_by_all():
    one = throttle()
    fill(one)
    refuse(one, TOO_FAST, now=5, retry_after=3)
    assert one.wait(5) == 3
    refuse(one, TOO_FAST, now=6, retry_after=4)  # one that had left before
    assert one.wait(6) == 4
    assert one.wait(10) == 0


def test_then_as_many_leave_as_were_found_to_be_allowed():
    one = throttle()
    for number in range(20):
        one.leave(number / 20)
        answer(one, now=number / 20)
    one.leave(1)
    refuse(one, TOO_FAST, now=1, retry_after=1)
    left = 0
    for tick in range(2000, 3000):
        if one.wait(tick / 1000) == 0:
            one.leave(tick / 1000)
            answer(one, tick / 1000)
            left += 1
    assert 17 <= left <= 20


def test_a_rate_of_the_author_is_kept():
    one = throttle(rate=50)
    left = 0
    for tick in range(1000):
        if one.wait(tick / 1000) == 0:
            one.leave(tick / 1000)
            answer(one, tick / 1000)
            left += 1
    assert 49 <= left <= 52


def test_a_single_failure_is_not_put_down_to_the_server():
    one = throttle()
    fill(one)
    one.failed(APIConnectionError("x"), 0)
    one.came_back()
    assert not one.is_outage
    assert one.wait(0) == 0


def test_after_several_in_a_row_one_at_a_time_is_sent():
    one = throttle()
    fill(one)
    for _ in range(10):
        one.failed(APIConnectionError("x"), 0)
        one.came_back()
    assert one.limit == 1
    waits, now = [], 0.0
    for _ in range(5):
        waits.append(one.wait(now))
        now += waits[-1]
        one.leave(now)
        assert one.wait(now) is None
        one.failed(APIConnectionError("x"), now)
        one.came_back()
    assert waits == [1, 2, 4, 8, 8]
    now += one.wait(now)
    one.leave(now)
    answer(one, now=now)
    assert not one.is_outage
    assert one.wait(now) == 0


def test_trouble_is_borne_for_a_time():
    one = throttle()
    one.failed(APIConnectionError("x"), 100)
    assert one.why_stop(APIConnectionError("x"), 159) is None
    assert one.why_stop(APIConnectionError("x"), 161) == "Gave up as no request has succeeded in 60 s"
    one.leave(161)
    answer(one, 161)
    assert one.why_stop(APIConnectionError("x"), 500) is None


def test_what_asks_to_wait_longer_than_allowed_is_not_waited_for():
    error = refusal(TOO_MANY, retry_after=9)
    assert throttle().why_stop(error, 0) == "Not waited for: 9 s is more than the longest allowed wait of 8 s"
