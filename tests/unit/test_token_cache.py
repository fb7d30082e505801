"""One token for all threads: when it is fetched, kept and replaced."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.auth.token import Token
from airflow_provider_yandex_conv.tokens import TokenCache

DOWN = errors.InternalServerError("HTTP 503: down", status=503, request_id="r1", retry_after=2.0)


class Service:
    """Issues tokens that live for a thousand seconds, on a clock that the test moves."""

    def __init__(self):
        self.now = 1000.0
        self.asked = 0
        self.failure = None
        self.open = threading.Event()
        self.open.set()
        self.cache = TokenCache(self.fetch, clock=lambda: self.now)

    def fetch(self, within):
        self.asked += 1
        assert self.open.wait(5)
        if self.failure is not None:
            raise self.failure
        return Token(Secret(f"t{self.asked}", name="x"), received_at=self.now, expires_at=self.now + 1000)

    def get(self, within=5.0):
        return self.cache.get(within=within).secret.reveal()

    def hold(self, count):
        """Let ``count`` threads ask while the service does not answer; return what they will have got."""
        self.open.clear()
        pool = ThreadPoolExecutor(count)
        results = [pool.submit(self.get) for _ in range(count)]
        while self.asked == 0:
            time.sleep(0.001)
        time.sleep(0.05)
        pool.shutdown(wait=False)
        return results


@pytest.fixture
def service():
    return Service()


def test_a_token_is_kept_until_shortly_before_it_expires(service):
    assert [service.get(), service.get()] == ["t1", "t1"]
    service.now += 899
    assert service.get() == "t1"
    service.now += 2
    assert [service.get(), service.get()] == ["t2", "t2"]
    assert service.asked == 2


def test_eight_threads_fetch_one_token(service):
    results = service.hold(8)
    service.open.set()
    assert {one.result() for one in results} == {"t1"}
    assert service.asked == 1


def test_eight_threads_share_one_failure_each_with_an_error_of_its_own(service):
    service.failure = DOWN
    results = service.hold(8)
    service.open.set()
    raised = [one.exception() for one in results]
    assert service.asked == 1
    assert {type(one) for one in raised} == {errors.CredentialRefreshError}
    assert len({id(one) for one in raised}) == 8
    one = raised[0]
    assert (one.message, one.transient, one.request_id, one.retry_after) == (DOWN.message, True, "r1", 2.0)


def test_a_thread_does_not_wait_for_another_beyond_its_time(service):
    service.hold(1)
    began = time.monotonic()
    with pytest.raises(errors.CredentialRefreshError, match=r"no token in 0\.1 s, as another call waits") as raised:
        service.get(within=0.1)
    assert time.monotonic() - began < 1
    assert raised.value.transient
    service.open.set()


def test_a_thread_that_is_stopped_leaves_the_fetching_to_another(service):
    class Stop(BaseException):
        pass

    fetch = service.fetch

    def stopped_once(within):
        service.cache._fetch = fetch
        fetch(within)
        raise Stop

    service.cache._fetch = stopped_once
    results = service.hold(2)
    service.open.set()
    ends = {type(one.exception()) if one.exception() else one.result() for one in results}
    assert ends == {Stop, "t2"}


def test_what_the_author_must_mend_is_said_as_it_is(service):
    service.failure = errors.CredentialUnavailableError("the file does not exist")
    with pytest.raises(errors.CredentialUnavailableError, match="the file does not exist") as raised:
        service.get()
    assert raised.value is not service.failure  # another thread may hold that one


def test_a_failure_before_the_end_leaves_the_token_in_use_and_is_not_repeated_at_once(service):
    service.get()
    service.now += 950
    service.failure = DOWN
    assert [service.get(), service.get()] == ["t1", "t1"]
    assert service.asked == 2
    service.now += 11
    assert service.get() == "t1"
    assert service.asked == 3
    service.now += 50
    with pytest.raises(errors.CredentialRefreshError):
        service.get()


def test_a_token_that_still_lives_is_used_while_another_thread_replaces_it(service):
    service.get()
    service.now += 950
    service.open.clear()
    slow = threading.Thread(target=service.get)
    slow.start()
    while service.asked == 1:
        time.sleep(0.001)
    assert service.get(within=0.01) == "t1"
    service.open.set()
    slow.join(5)
    assert service.get() == "t2"


def test_a_refused_token_is_replaced_once_however_many_threads_say_so(service):
    first = service.cache.get(within=5)
    assert service.cache.refuse(first)
    assert service.cache.refuse(first)
    second = service.cache.get(within=5)
    assert service.cache.refuse(first)
    assert service.cache.get(within=5) is second
    assert service.asked == 2


def test_a_replacement_that_is_refused_as_well_is_kept_for_a_while(service):
    service.cache.refuse(service.cache.get(within=5))
    second = service.cache.get(within=5)
    service.now += 9
    assert not service.cache.refuse(second)
    assert service.cache.get(within=5) is second
    service.now += 2
    assert service.cache.refuse(second)
    service.get()
    assert service.asked == 3


def test_a_clock_that_goes_back_stops_nothing(service):
    service.cache.refuse(service.cache.get(within=5))
    second = service.cache.get(within=5)
    service.now -= 500
    assert service.cache.refuse(second)
