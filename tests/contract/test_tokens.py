"""The life of a token, judged by how often it was asked for: its end, its refusal, many threads, and none to be had."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.endpoint import Endpoint
from call_table import CREATING, REPEATABLE, build, count_of_things, new_thread

FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)
LIFE = 43200


@pytest.fixture
def make_client(server, clock, new_client):
    """Return a function that makes a client with the token of the metadata service, on the clock of the test."""

    def make(retry=FAST, address=server.metadata_address, clock=clock, **endpoint):
        settings = {"base_url": server.base_url, "timeout_connect": 1, "timeout_read": 1, **endpoint}
        return new_client(Endpoint(**settings), Metadata(address), retry=retry, clock=clock)

    return make


def operations(server):
    return [request.operation for request in server.requests]


def count(server, operation):
    return operations(server).count(operation)


def stored_things(server):
    return len(server.conversations) + sum(len(one["items"]) for one in server.conversations)


class TestExpiry:
    """A token is replaced before its end, by the end that the service told."""

    @pytest.mark.parametrize(("ahead", "asked"), [(0, 1), (LIFE - 330, 1), (LIFE - 270, 2), (LIFE + 60, 2)])
    def test_a_token_is_replaced_shortly_before_it_expires(self, server, make_client, clock, ahead, asked):
        client = make_client()
        client.send(conversations.create())
        clock.ahead = ahead
        client.send(conversations.create())
        assert count(server, "getMetadataToken") == asked
        assert [request.status for request in server.requests] == [200] * (2 + asked)

    def test_a_token_with_a_short_life_serves_many_calls(self, server, make_client, clock):
        server.issue(lifetime=60)
        client = make_client()
        for _ in range(4):
            for _ in range(5):
                client.send(conversations.create())
            clock.ahead += 57
        assert count(server, "getMetadataToken") == 4
        assert {request.status for request in server.requests} == {200}

    def test_a_token_that_is_given_again_is_not_thought_to_be_new(self, server, make_client, clock):
        server.issue(repeat=True)
        make_client().send(conversations.create())
        clock.ahead = LIFE - 1000
        late = make_client()
        late.send(conversations.create())
        clock.ahead = LIFE + 1
        late.send(conversations.create())
        assert len(server.tokens) == 2
        assert {request.status for request in server.requests} == {200}

    def test_a_token_that_has_expired_already_is_an_error_after_the_retries(self, server, make_client):
        server.issue(lifetime=-30)
        with pytest.raises(errors.CredentialRefreshError) as raised:
            make_client().send(conversations.create())
        assert operations(server) == ["getMetadataToken"] * 4
        assert "HTTP 200: a token that expired 30 s ago" in str(raised.value)
        assert "Gave up after 4 of 4 attempts" in str(raised.value)
        assert raised.value.transient

    def test_iam_out_of_service_does_not_stop_calls_while_the_token_lives(self, server, make_client, clock):
        client = make_client()
        client.send(conversations.create())
        server.fail("getMetadataToken", status=503, times=None)
        clock.ahead = LIFE - 100
        for _ in range(5):
            client.send(conversations.create())
        assert count(server, "getMetadataToken") == 2
        assert count(server, "createConversation") == 6


class TestRefusal:
    """401: the token is replaced once, then it is final."""

    def test_a_refusal_once_leads_to_one_new_token_and_one_conversation(self, server, make_client):
        client = make_client()
        server.fail("createConversation", status=401)
        created = client.send(conversations.create())
        assert operations(server) == ["getMetadataToken", "createConversation"] * 2
        assert [one["id"] for one in server.conversations] == [created.id]

    @pytest.mark.parametrize("operation", [*REPEATABLE, *CREATING])
    def test_every_call_is_sent_again_once(self, server, make_client, operation):
        client = make_client()
        thread = new_thread(server, client)
        before = count_of_things(server)
        server.reset_requests()
        server.fail(operation, status=401)
        client.send(build(operation, thread))
        assert operations(server) == [operation, "getMetadataToken", operation]
        assert count_of_things(server) - before <= CREATING.get(operation, (None, 0))[1]

        server.fail(operation, status=401, times=None)
        with pytest.raises(errors.AuthenticationError):
            client.send(build(operation, thread))
        assert operations(server)[3:] == [operation]  # a token that is a moment old is not what is wrong

    def test_a_token_that_expired_by_the_clock_of_the_server_only_is_replaced(self, server, make_client, clock):
        client = make_client(clock=time.time)
        client.send(conversations.create())
        clock.ahead = LIFE + 1
        client.send(conversations.create())
        assert [request.status for request in server.requests] == [200, 200, 401, 200, 200]

    def test_a_refusal_that_stays_is_final_after_one_new_token(self, server, make_client):
        server.fail("createConversation", status=401, times=None)
        client = make_client()
        with pytest.raises(errors.AuthenticationError) as raised:
            client.send(conversations.create())
        assert operations(server) == ["getMetadataToken", "createConversation"] * 2
        assert raised.value.applied is False
        assert server.conversations == []
        with pytest.raises(errors.AuthenticationError):
            client.send(conversations.create())
        assert operations(server)[4:] == ["createConversation"]

    def test_a_single_attempt_is_one_request(self, server, make_client):
        server.fail("getConversation", status=401)
        with pytest.raises(errors.AuthenticationError):
            make_client(retry=RequestRetry(attempts=1)).send(conversations.get("c1"))
        assert operations(server) == ["getMetadataToken", "getConversation"]

    def test_the_line_of_the_retry_tells_of_the_refusal(self, server, connect_to, logged):
        server.fail("createConversation", status=401)
        connect_to(auth_type="metadata").create_conversation()
        assert "create conversation: attempt 1 of 4 failed: AuthenticationError, HTTP 401" in logged()

    @pytest.mark.parametrize("repeat", [False, True], ids=["new tokens", "the same token again"])
    def test_eight_threads_that_are_refused_ask_for_one_new_token(self, server, make_client, repeat):
        server.issue(repeat=repeat)
        client = make_client()
        client.send(conversations.create())
        server.fail("createConversation", status=401, delay=0.2, times=8)
        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(lambda _: client.send(conversations.create()).id, range(8)))
        assert count(server, "getMetadataToken") == 2
        assert sorted(one["id"] for one in server.conversations[1:]) == sorted(created)

    def test_a_storm_of_refusals_does_not_become_one_of_tokens(self, server, make_client):
        server.fail("getConversation", status=401, times=None)
        client = make_client()

        def ask(_):
            with pytest.raises(errors.AuthenticationError):
                client.send(conversations.get("c1"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(40)))
        assert count(server, "getMetadataToken") == 2

    def test_a_secret_that_stays_the_same_is_refused_for_good(self, server, connect_to):
        hook = connect_to(auth_type="iam_token", iam_token="t1.other")
        with pytest.raises(errors.AuthenticationError):
            hook.create_conversation()
        assert operations(server) == ["createConversation"]


class TestThreads:
    def test_eight_threads_on_one_hook_fetch_one_token(self, server, connect_to, accepted_key):
        hook = connect_to(auth_type="service_account", service_account_key=accepted_key)
        server.fail("createIamToken", delay=0.2)
        together = threading.Barrier(8)

        def create(_):
            together.wait()
            return hook.create_conversation().id

        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(create, range(8)))
        assert count(server, "createIamToken") == 1
        assert sorted(one["id"] for one in server.conversations) == sorted(created)

    def test_two_hooks_share_nothing(self, server, connect_to):
        for _ in range(2):
            connect_to(auth_type="metadata").create_conversation()
        assert count(server, "getMetadataToken") == 2


class TestFailure:
    """What is said, and how long it takes, when there is no token to be had."""

    @pytest.mark.parametrize(
        ("fault", "asked", "transient", "text"),
        [
            ({"status": 503, "message": "down"}, 4, True, "HTTP 503 Service Unavailable: down"),
            ({"status": 429, "headers": {"Retry-After": "0"}}, 4, True, "HTTP 429 Too Many Requests"),
            ({"drop": "reset"}, 4, True, "Connection reset by peer"),
            ({"truncate": 10}, 4, True, "no answer from http://127.0.0.1"),
            ({"body": '{"access_token": "hush"'}, 4, True, "HTTP 200: the answer has no access_token"),
            ({"status": 429, "headers": {"Retry-After": "60"}}, 1, True, "Not waited for: 60 s is more than"),
            ({"status": 401, "shape": "rpc_status", "message": "no key"}, 1, False, "HTTP 401 Unauthorized: no key"),
            ({"status": 403, "shape": "text", "message": "no"}, 1, False, "HTTP 403 Forbidden"),
            ({"status": 404, "shape": "html"}, 1, False, "HTTP 404 Not Found"),
            (
                {"status": 400, "shape": "oauth", "code": "invalid_grant", "message": "why"},
                1,
                False,
                "invalid_grant: why",
            ),
            ({"status": 307, "headers": {"Location": "https://x/y"}}, 1, False, "redirects are not followed"),
        ],
    )
    def test_the_reason_is_said_and_nothing_is_sent_to_the_api(
        self, server, make_client, fault, asked, transient, text
    ):
        server.fail("getMetadataToken", times=None, **fault)
        with pytest.raises(errors.CredentialRefreshError) as raised:
            make_client().send(conversations.create())
        assert operations(server) == ["getMetadataToken"] * asked
        said = str(raised.value)
        assert said.startswith("create conversation: get an IAM token of the metadata service: ")
        assert text in said
        assert "hush" not in said
        assert "The request itself was not sent" in said
        assert (raised.value.transient, raised.value.applied) == (transient, False)
        assert raised.value.client_request_id == server.requests[-1].headers["x-client-request-id"]

    def test_a_service_that_recovers_is_waited_for(self, server, make_client):
        server.fail("getMetadataToken", status=503, times=2)
        created = make_client().send(conversations.create())
        assert operations(server) == ["getMetadataToken"] * 3 + ["createConversation"]
        assert [one["id"] for one in server.conversations] == [created.id]

    @pytest.mark.parametrize("build", [conversations.create, lambda: conversations.get("c1")], ids=["create", "get"])
    def test_a_slow_service_is_waited_for_within_the_time_budget_only(self, server, make_client, build):
        server.fail("getMetadataToken", delay=30, times=None)
        client = make_client(timeout_read=30, retry=RequestRetry(attempts=50, wait_initial=0.01, timeout=0.6))
        began = time.monotonic()
        with pytest.raises(errors.CredentialRefreshError, match="no whole answer from http://127"):
            client.send(build())
        assert time.monotonic() - began < 1.5
        assert count(server, "createConversation") == 0

    def test_eight_threads_wait_for_a_slow_service_together_not_in_turn(self, server, make_client):
        server.fail("getMetadataToken", delay=30, times=None)
        client = make_client(timeout_read=30, retry=RequestRetry(attempts=50, wait_initial=0.01, timeout=0.6))

        def ask(_):
            with pytest.raises(errors.CredentialRefreshError):
                client.send(conversations.create())

        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))
        assert time.monotonic() - began < 2.5

    def test_a_service_that_is_not_there_is_known_to_be_so(self, server, make_client, free_address):
        client = make_client(address=free_address)
        with pytest.raises(errors.CredentialRefreshError, match=rf"no answer from http://{free_address}/.*refused"):
            client.send(conversations.create())

    def test_an_attempt_that_was_lost_stays_known(self, server, make_client, clock):
        """The token of the second attempt cannot be had: the first may have created something all the same."""
        client = make_client()
        lost = []
        server.fail("createConversation", status=503, applied=True)
        server.fail("getMetadataToken", skip=1, status=401)

        def note(error):
            lost.append(error)
            clock.ahead = LIFE + 1

        with pytest.raises(errors.CredentialRefreshError):
            client.send(conversations.create(), on_lost=note)
        assert len(lost) == len(server.conversations) == 1


@pytest.fixture
def free_address():
    with Emulator() as gone:
        return gone.metadata_address
