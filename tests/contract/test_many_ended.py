"""Many conversations at once that end before all are done: what is said of those that were under way."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from conditions import wait_until

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.async_client import AsyncClient
from airflow_provider_yandex_conv.exceptions import InterruptedCallError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

CREATE = "createConversation"
FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook(request_retry=FAST, timeout_read=5)


def specs(count):
    return [{"metadata": {"n": str(number)}} for number in range(count)]


def sent(emulator, status=None):
    return [one for one in emulator.requests if one.operation == CREATE and status in {None, one.status}]


def test_a_batch_that_is_told_to_stop_names_what_was_under_way(hook, emulator, logged):
    emulator.fail(CREATE, hold="before", drop="close", skip=40, times=None)
    began = []

    def stop():
        wait_until(lambda: len(emulator.held) == 5, seconds=10)
        began.append(time.monotonic())
        hook.interrupt()

    thread = threading.Thread(target=stop)
    thread.start()
    result = hook.create_conversations(specs(500), concurrency=5)
    thread.join()
    assert time.monotonic() - began[0] < 4
    held = {one.headers["x-client-request-id"] for one in emulator.held}
    assert {one.client_request_id for one in result.orphans} == held
    assert {one.kind for one in result.failures} == {"ambiguous"}
    assert isinstance(result.stopped, InterruptedCallError)
    assert result.done == 40
    text = logged()
    assert all(request_id in text for request_id in held)
    emulator.release()


class Cut(BaseException):
    """What Airflow raises in the main thread when a task's time is up."""


def test_a_batch_that_is_cut_off_says_what_it_has_done(hook, emulator):
    emulator.fail(CREATE, hold="before", drop="close", skip=40, times=None)

    def cut(*_):
        raise Cut

    def stop():
        wait_until(lambda: len(emulator.held) == 5, seconds=10)
        os.kill(os.getpid(), signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, cut)
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(Cut):
            hook.create_conversations(specs(500), concurrency=5)
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, previous)
    assert hook.unfinished.done == 40
    assert {one.client_request_id for one in hook.unfinished.orphans} == {
        one.headers["x-client-request-id"] for one in emulator.held
    }
    emulator.release()


def test_a_batch_of_a_hook_that_was_told_to_stop_before_sends_nothing(hook, emulator):
    hook.interrupt()
    result = hook.create_conversations(specs(10))
    assert isinstance(result.stopped, InterruptedCallError)
    assert (result.done, emulator.requests) == (0, [])


def test_what_is_no_error_of_a_call_is_raised_and_what_exists_is_told(hook, emulator, monkeypatch):
    send = AsyncClient.send
    calls = []

    async def break_once(client, call, **arguments):
        calls.append(call)
        if len(calls) == 40:
            raise ValueError("a mistake of ours")
        return await send(client, call, **arguments)

    monkeypatch.setattr(AsyncClient, "send", break_once)
    with pytest.raises(ValueError, match="a mistake of ours"):
        hook.create_conversations(specs(500), concurrency=5)
    assert hook.unfinished.done == len(emulator.conversations) < 50


def test_an_input_that_takes_its_time_does_not_keep_a_batch_that_is_told_to_stop(hook, emulator):
    emulator.fail(CREATE, hold="before", drop="close", skip=192, times=None)
    seconds = []

    def read():
        yield from specs(200)
        wait_until(lambda: len(emulator.held) == 5, seconds=10)
        began = time.monotonic()
        hook.interrupt()
        wait_until(lambda: len(hook._batch._loop.settled) >= 5, seconds=10)
        seconds.append(time.monotonic() - began)

    result = hook.create_conversations(read(), concurrency=5)
    assert seconds[0] < 4
    assert len(result.orphans) == 5


def test_an_input_that_goes_on_after_a_batch_was_told_to_stop_does_not_hang_it(hook, emulator):
    emulator.fail(CREATE, hold="before", drop="close", skip=192, times=None)

    def read():
        yield from specs(200)
        wait_until(lambda: len(emulator.held) == 5, seconds=10)
        hook.interrupt()
        wait_until(lambda: all(one.done() for one in hook._batch._loop._workers), seconds=10)
        yield from specs(200)

    hung = threading.Timer(20, lambda: os.kill(os.getpid(), signal.SIGINT))
    hung.start()
    result = hook.create_conversations(read(), concurrency=5)
    hung.cancel()
    assert isinstance(result.stopped, InterruptedCallError)
    assert len(result.orphans) == 5
    assert len(sent(emulator)) == 197


@pytest.mark.parametrize("way", ["told to stop", "cut off"])
def test_what_ends_while_it_waits_for_another_attempt_is_named(emulator, way):
    hook = YandexAIStudioHook(request_retry=RequestRetry(wait_max=60))
    emulator.fail(CREATE, status=503, applied=True, headers={"Retry-After": "30"}, skip=3)

    def end(*_):
        if way == "cut off":
            raise Cut
        hook.interrupt()

    previous = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 1)
    result = None
    try:
        result = hook.create_conversations(specs(10), concurrency=1)
    except Cut:
        result = hook.unfinished
    finally:
        signal.signal(signal.SIGALRM, previous)
    (lost,) = sent(emulator, 503)
    assert [one.client_request_id for one in result.orphans] == [lost.headers["x-client-request-id"]]
    assert (result.done, len(emulator.conversations)) == (3, 4)
