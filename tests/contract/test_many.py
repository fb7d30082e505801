"""Many conversations at once: what reaches the server, what is stored there, and what the caller is told."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time

import pytest

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.bulk import progress
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.exceptions import (
    AuthenticationError,
    BatchInputError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from servers import serving

CREATE = "createConversation"
FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook(request_retry=FAST, timeout_read=5)


def specs(count):
    return [{"metadata": {"n": str(number)}} for number in range(count)]


def stored(emulator):
    """Return the conversations that exist, by what their creator called them."""
    found = {}
    for one in emulator.conversations:
        found.setdefault(one["metadata"]["n"], []).append(one["id"])
    return found


def sent(emulator, status=None):
    return [one for one in emulator.requests if one.operation == CREATE and status in {None, one.status}]


def assert_each_exists_once(emulator, ids, besides=0):
    kept = stored(emulator)
    assert ids
    assert len(set(ids)) == len(ids)
    for number, conversation_id in enumerate(ids):
        assert conversation_id in kept[str(number)], number
    assert sum(map(len, kept.values())) == len(ids) + besides


def test_the_ids_come_in_the_order_of_the_input(hook, emulator):
    emulator.fail(CREATE, delay=0.3, skip=3)  # so that others overtake it
    result = hook.create_conversations(specs(50))
    assert_each_exists_once(emulator, result.ids)
    assert result.is_complete
    assert (result.failures, result.orphans, result.stopped, result.done) == ([], [], None, 50)


def test_nothing_is_nothing(hook, emulator):
    result = hook.create_conversations([])
    assert (list(result.ids), result.is_complete) == ([], True)
    assert emulator.requests == []


def test_an_input_is_read_as_it_is_needed(hook, emulator):
    ahead = []

    def read():
        for number, one in enumerate(specs(2000)):
            ahead.append(number - len(sent(emulator)))
            yield one

    assert_each_exists_once(emulator, hook.create_conversations(read()).ids)
    assert max(ahead) <= 200


def test_an_input_may_be_a_function_that_returns_one(hook, emulator):
    assert_each_exists_once(emulator, hook.create_conversations(lambda: iter(specs(5))).ids)


@pytest.mark.parametrize(
    "kind", [str, lambda path: path, lambda path: f"file://{path}", lambda path: {"path": str(path)}]
)
def test_a_file_has_one_conversation_in_each_line(hook, emulator, tmp_path, kind):
    path = tmp_path / "customers.jsonl"
    path.write_text("\n".join(map(json.dumps, specs(5))) + "\n\n")
    result = hook.create_conversations(kind(path))
    assert_each_exists_once(emulator, result.ids)
    assert result.done == 5


def test_a_line_that_is_no_json_is_reported_by_its_place(hook, emulator, tmp_path):
    path = tmp_path / "customers.jsonl"
    path.write_text('{"metadata": {"n": "0"}}\n{"metadata": {"n": secret}}\n{"metadata": {"n": "2"}}\n')
    result = hook.create_conversations(path)
    assert [one is None for one in result.ids] == [False, True, False]
    (failure,) = result.failures
    assert (failure.index, failure.kind, failure.final) == (1, "invalid", True)
    assert "line 2 is no JSON" in failure.error
    assert "secret" not in failure.error


@pytest.mark.parametrize("given", [None, 5, "", {"a": 1}, b"x"])
def test_what_is_no_input_is_refused(hook, emulator, given):
    with pytest.raises(ConfigurationError, match="conversations must be a list"):
        hook.create_conversations(given)


@pytest.mark.parametrize("window", [{"concurrency": 0}, {"concurrency": True}, {"rate": 0}, {"on_ambiguous": "x"}])
def test_what_is_no_window_is_refused(hook, emulator, window):
    with pytest.raises(ConfigurationError):
        hook.create_conversations(specs(1), **window)
    assert emulator.requests == []


def test_never_more_are_under_way_than_allowed(hook, emulator):
    emulator.limit(in_flight=4)
    emulator.fail(CREATE, work=0.005, times=None)
    assert_each_exists_once(emulator, hook.create_conversations(specs(100), concurrency=4).ids)
    assert sent(emulator, 429) == []


def test_a_rate_is_kept(hook, emulator):
    began = time.monotonic()
    assert_each_exists_once(emulator, hook.create_conversations(specs(50), rate=100).ids)
    assert time.monotonic() - began > 0.45


def test_the_log_says_how_far_it_has_come(hook, emulator, monkeypatch, logged):
    monkeypatch.setattr(progress, "_INTERVAL", 0.5)
    hook.create_conversations(specs(100), rate=40)
    line = r"(\d+) of 100 conversations done, 0 failed, (\d+\.\d) per second, about \d+ s left"
    told = dict.fromkeys(re.findall(line, logged()))  # Airflow 2 writes each line to two places
    done = [int(number) for number, _ in told]
    assert 2 <= len(done) <= 6
    assert done == sorted(done)
    assert all(0 < number <= 100 for number in done)
    assert all(float(speed) < 60 for _, speed in told)


def test_the_window_finds_a_quota_of_requests_under_way(hook, emulator):
    emulator.limit(in_flight=5)
    emulator.fail(CREATE, work=0.003, times=None)
    result = hook.create_conversations(specs(1000), concurrency=40)
    assert_each_exists_once(emulator, result.ids)
    assert len(sent(emulator, 429)) < 40  # some of them in finding it


def test_the_window_finds_a_quota_of_requests_in_a_time(hook, emulator):
    emulator.limit(per_second=100)
    result = hook.create_conversations(specs(300), concurrency=10)
    assert_each_exists_once(emulator, result.ids)
    assert len(sent(emulator, 429)) < 60


def test_a_storm_of_refusals_is_sat_out(hook, emulator):
    def storm():
        while len(sent(emulator)) < 50:
            time.sleep(0.001)
        emulator.limit(in_flight=0)
        time.sleep(1)  # as long as it lasts
        emulator.limit()

    thread = threading.Thread(target=storm)
    thread.start()
    assert_each_exists_once(emulator, hook.create_conversations(specs(2000)).ids)
    thread.join()
    assert 10 <= len(sent(emulator, 429)) < 40


def test_retry_after_is_kept_by_all(hook, emulator):
    message = "x.rate rate quota limit exceed: allowed 9 requests"
    emulator.fail(CREATE, status=429, skip=20, message=message, headers={"Retry-After": "1"})
    assert_each_exists_once(emulator, hook.create_conversations(specs(60), concurrency=4).ids)
    (refusal,) = sent(emulator, 429)
    after = [one.received_at - refusal.received_at for one in sent(emulator) if one.received_at > refusal.received_at]
    assert sum(one < 0.9 for one in after) <= 12  # those that left before the answer was read


def test_a_quota_that_is_used_up_for_long_ends_the_batch(hook, emulator):
    emulator.fail(CREATE, status=429, skip=30, times=None, headers={"Retry-After": "3600"})
    result = hook.create_conversations(specs(500), concurrency=4)
    assert isinstance(result.stopped, RateLimitError)
    assert "3600 s is more than the longest allowed wait of 2 s" in str(result.stopped)
    assert result.done == len(emulator.conversations) == 30
    assert result.failures == []
    assert len(result.ids) < 300


def test_one_that_cannot_be_sent_stops_no_other(hook, emulator):
    given = specs(1000)
    given[617] = {"metadata": {"n": "x" * 513}}
    result = hook.create_conversations(given)
    (failure,) = result.failures
    assert (failure.index, failure.kind) == (617, "invalid")
    assert "has 513 characters" in failure.error
    assert [index for index, one in enumerate(result.ids) if one is None] == [617]
    assert len(emulator.conversations) == len(sent(emulator)) == 999


def test_one_that_is_refused_stops_no_other(hook, emulator):
    emulator.fail(CREATE, status=422, message="no such role", skip=40)
    result = hook.create_conversations(specs(100))
    (failure,) = result.failures
    assert (failure.kind, failure.final) == ("refused", True)
    assert "no such role" in failure.error
    assert result.done == len(emulator.conversations) == 99


def test_one_that_always_fails_stops_no_other(monkeypatch):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((body["metadata"]["n"], self.headers["x-client-request-id"]))
            self.send_response(503 if body["metadata"]["n"] == "7" else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"id": body["metadata"]["n"]}).encode())

        def log_message(self, *args):
            pass

    with serving(Handler) as port:
        fields = {"conn_type": "yandex_ai_studio", "host": f"http://127.0.0.1:{port}", "extra": {"auth_type": "none"}}
        monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", json.dumps(fields))
        result = YandexAIStudioHook(request_retry=FAST).create_conversations(specs(200), concurrency=4)
    (failure,) = result.failures
    assert failure.index == 7
    assert "Gave up after 4 of 4 attempts" in failure.error
    assert [index for index, one in enumerate(result.ids) if one is None] == [7]
    assert len(asked) == 199 + 4
    assert [one.client_request_id for one in result.orphans] == [sent_as for number, sent_as in asked if number == "7"]


@pytest.mark.parametrize(
    "spec", [None, "x", {"items": "x"}, {"meta": {}}, {"metadata": {"a": 1}}, {"items": [{}] * 21}]
)
def test_what_is_no_conversation_is_reported(hook, emulator, spec):
    result = hook.create_conversations([spec])
    assert [one.kind for one in result.failures] == ["invalid"]
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)]
)
def test_what_meets_all_ends_the_batch_and_keeps_what_exists(hook, emulator, status, kind):
    emulator.fail(CREATE, status=status, skip=40, times=None)
    result = hook.create_conversations(specs(1000), concurrency=8)
    assert isinstance(result.stopped, kind)
    assert result.failures == [] or kind is NotFoundError
    assert result.done == len(emulator.conversations) == 40
    assert len(sent(emulator, status)) <= 8


def test_an_input_that_breaks_keeps_what_exists(hook, emulator):
    def read():
        yield from specs(30)
        raise OSError(5, "Input/output error", "https://host/?signature=secret")

    result = hook.create_conversations(read())
    assert isinstance(result.stopped, BatchInputError)
    assert "conversations[30] cannot be read (OSError: Input/output error)" in str(result.stopped)
    assert_each_exists_once(emulator, result.ids)


def test_a_lost_answer_is_made_up_for_and_named_by_its_place(hook, emulator, logged):
    emulator.fail(CREATE, drop="reset", applied=True, skip=7)
    result = hook.create_conversations(specs(30), concurrency=1)
    assert_each_exists_once(emulator, result.ids, besides=1)
    (orphan,) = result.orphans
    lost = sent(emulator)[7]
    assert (orphan.index, orphan.client_request_id) == (7, lost.headers["x-client-request-id"])
    assert "conversations[7]: an attempt may have left something behind" in logged()
    assert orphan.client_request_id in logged()
    ids = [one.headers["x-client-request-id"] for one in sent(emulator)]
    assert len(set(ids)) == 31


def test_a_lost_answer_is_a_failure_where_nothing_may_be_created_twice(hook, emulator):
    emulator.fail(CREATE, drop="reset", applied=True, skip=7)
    result = hook.create_conversations(specs(30), concurrency=1, on_ambiguous="fail")
    (failure,) = result.failures
    assert (failure.index, failure.kind) == (7, "ambiguous")
    assert len(sent(emulator)) == 30
    assert result.orphans[0].client_request_id in failure.error


def test_a_failure_that_passes_is_sent_again(hook, emulator):
    emulator.fail(CREATE, status=503, skip=10)
    result = hook.create_conversations(specs(60), concurrency=1)
    assert_each_exists_once(emulator, result.ids)
    assert len(result.orphans) == 1


def test_a_server_that_is_away_is_waited_for(hook, emulator):
    emulator.fail(CREATE, drop="close", skip=100, times=12)
    result = hook.create_conversations(specs(300))
    assert_each_exists_once(emulator, result.ids)
    assert len(result.orphans) == 12
    assert {one.client_request_id for one in result.orphans} == {
        one.headers["x-client-request-id"] for one in sent(emulator) if one.status is None
    }


def test_a_server_that_dies_and_comes_back_is_waited_for(monkeypatch, logged):
    first = Emulator()
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", first.connection())
    first.start()
    first.fail(CREATE, work=0.005, times=None)
    servers, port = [first], first.port

    def die():
        while len(first.conversations) < 100:
            time.sleep(0.005)
        first.stop()
        time.sleep(10)  # as long as it is away
        servers.append(Emulator(port=port))
        servers[1].start()

    thread = threading.Thread(target=die)
    thread.start()
    hook = YandexAIStudioHook(request_retry=RequestRetry(wait_initial=0.1, wait_max=1, timeout=30))
    result = hook.create_conversations(specs(400))
    thread.join()
    servers[1].stop()
    assert result.is_complete
    made = [one["metadata"]["n"] for server in servers for one in server.conversations]
    assert set(made) == {str(number) for number in range(400)}
    assert len(made) - 400 <= len(result.orphans) <= 10
    twice = {number for number in made if made.count(number) > 1}
    assert twice <= {str(one.index) for one in result.orphans}


def test_a_server_that_stays_away_ends_the_batch(emulator):
    hook = YandexAIStudioHook(request_retry=RequestRetry(attempts=3, wait_initial=0.1, wait_max=0.2, timeout=1))
    emulator.fail(CREATE, status=503, skip=50, times=None)
    result = hook.create_conversations(specs(500))
    assert result.stopped is not None
    assert result.stopped.transient
    assert "no request has succeeded in 1 s" in str(result.stopped)
    assert result.done == len(emulator.conversations) == 50
    assert len(result.orphans) == len(sent(emulator, 503)) < 50


def test_a_token_that_is_refused_in_the_middle_is_replaced(server, connect_to):
    server.fail(CREATE, status=401, skip=20)
    result = connect_to(auth_type="metadata").create_conversations(specs(50), concurrency=4)
    assert result.is_complete
    assert_each_exists_once(server, result.ids)
    assert len(server.tokens) == 2


def test_tokens_that_are_refused_for_good_end_the_batch(server, connect_to):
    server.fail(CREATE, status=401, skip=20, times=None)
    result = connect_to(auth_type="metadata").create_conversations(specs(500), concurrency=4)
    assert isinstance(result.stopped, AuthenticationError)
    assert result.done == len(server.conversations) == 20
    assert len(sent(server, 401)) <= 8
