"""Answers that no well-behaved server gives, and surroundings that get in the way."""

from __future__ import annotations

import gzip

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv import exchange
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.endpoint import Endpoint
from servers import answer, answering

AMBIGUOUS = {
    "two lengths": answer("200 OK", Content_Length="11, 12"),
    "nonsense": b"nonsense\r\n\r\n",
    "interim 102": answer("102 Processing"),
    "interim 103": answer("103 Early Hints"),
    "see other": answer("303 See Other", Location="/v1/conversations/c1"),
    "bad gzip": answer("200 OK", b"no gzip", Content_Encoding="gzip"),
    "503 until the end of time": answer("503 Down", Retry_After="Thu, 01 Jan 99999999999999999999 00:00:00 GMT"),
    "timed out": answer("408 Request Timeout"),
}
REFUSED = {
    "redirect to nowhere": answer("307 Temporary Redirect", Location="http://["),
    "redirect in no known letters": answer("307 Temporary Redirect", Location="\xff\xfe"),
}


@pytest.mark.parametrize("oddity", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_whatever_comes_back_a_create_that_was_sent_is_ambiguous(make_client, oddity):
    with answering(oddity) as (port, seen):
        with pytest.raises(errors.AmbiguousOutcomeError):
            make_client(base_url=f"http://127.0.0.1:{port}/v1").send(conversations.create())
        assert len(seen) == 1


@pytest.mark.parametrize("oddity", REFUSED.values(), ids=REFUSED)
def test_a_redirect_is_a_refusal_wherever_it_points(make_client, oddity):
    with answering(oddity) as (port, seen):
        with pytest.raises(errors.APIStatusError, match="redirects are not followed") as raised:
            make_client(base_url=f"http://127.0.0.1:{port}/v1").send(conversations.create())
        assert raised.value.applied is False
        assert len(seen) == 1


def test_an_answer_that_comes_late_is_not_taken_for_that_of_another_call(make_client):
    late = answer("102 Processing") + answer("200 OK", b'{"id": "late"}')
    with answering(late, answer("200 OK", b'{"id": "own"}')) as (port, _):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(errors.AmbiguousOutcomeError):
            client.send(conversations.create())
        assert client.send(conversations.create()).id == "own"


def test_a_see_other_is_not_asked_for_again_and_again(make_client):
    with answering(AMBIGUOUS["see other"]) as (port, seen):
        with pytest.raises(errors.AmbiguousOutcomeError):
            make_client(base_url=f"http://127.0.0.1:{port}/v1").send(conversations.create(), on_lost=lambda lost: None)
        assert len(seen) == 1


def test_a_request_that_timed_out_at_the_server_is_repeated_where_that_is_safe(emulator, client):
    created = client.send(conversations.create())
    emulator.fail("getConversation", status=408)
    assert client.send(conversations.get(created.id)) == created


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_an_answer_without_end_does_not_fill_the_memory(make_client, monkeypatch, encoding):
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 1_000_000)
    body = b'{"id": "c1", "object": "conversation", "metadata": {"a": "' + b"b" * 4_000_000 + b'"}}'
    if encoding == "gzip":
        too_much = answer("200 OK", gzip.compress(body), Content_Encoding="gzip")
    else:
        too_much = answer("200 OK", body)
    with answering(*[too_much] * 3) as (port, seen):
        client = make_client(base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(errors.InvalidResponseError, match="is larger than 1,000,000 bytes"):
            client.send(conversations.get("c1"))
        assert len(seen) == 1  # another attempt would meet the same
        with pytest.raises(errors.AmbiguousOutcomeError, match="is larger than 1,000,000 bytes"):
            client.send(conversations.create(), on_lost=lambda lost: None)
        assert len(seen) == 2


def test_a_reader_that_breaks_makes_it_ambiguous(emulator, client):
    call = conversations.create()
    object.__setattr__(call, "parse", lambda response: {}["id"])
    with pytest.raises(errors.AmbiguousOutcomeError, match=r"the answer cannot be read \(KeyError\)"):
        client.send(call)
    assert len(emulator.conversations) == 1


@pytest.mark.parametrize("status", [400, 429])
def test_a_refusal_after_a_lost_attempt_does_not_hide_it(emulator, client, status):
    emulator.fail("createConversation", status=503, applied=True)
    emulator.fail("createConversation", status=status, headers={"Retry-After": "3600"})
    with pytest.raises(errors.APIStatusError) as raised:
        client.send(conversations.create(), on_lost=lambda lost: None)
    lost = emulator.requests[0].headers["x-client-request-id"]
    assert raised.value.lost_client_request_ids == (lost,)
    assert f"An earlier attempt may have been applied, and cannot be found again: x-client-request-id {lost}" in str(
        raised.value
    )
    assert "Nothing was changed" not in str(raised.value)


@pytest.mark.parametrize("key", ["c", "1", "none", "test"])
def test_a_short_key_does_not_spoil_data(make_client, key):
    with Emulator(api_key=key) as server:
        client = make_client(APIKey(Secret(key, name="x")), base_url=server.base_url)
        created = client.send(conversations.create(metadata={"k": "c 1 none test"}))
        assert created.id == server.conversations[0]["id"]
        assert created.metadata == {"k": "c 1 none test"}


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "no AQVN\\/planted-7"}}',
        '{"error": {"message": "no \\u0041QVN/planted-7", "code": "\\u0041QVN/planted-7"}}',
        "<html><title>AQVN&#47;planted-7</title></html>",
    ],
)
def test_a_key_that_comes_back_in_disguise_is_taken_out(emulator, make_client, body):
    client = make_client(APIKey(Secret("AQVN/planted-7", name="x")))
    emulator.fail("getConversation", status=400, body=body)
    with pytest.raises(errors.BadRequestError) as raised:
        client.send(conversations.get("c1"))
    assert "***" in str(raised.value)
    assert "AQVN/planted-7" not in str(raised.value) + str(vars(raised.value))


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(emulator, make_client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    assert make_client().send(conversations.create()).id == emulator.conversations[0]["id"]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_opens_no_tunnel_has_sent_nothing(make_client, status):
    with answering(*[answer(status, b"")] * 4) as (port, seen):
        proxies = {"https": f"http://127.0.0.1:{port}"}
        client = make_client(base_url="https://ai.invalid/v1", proxies=proxies)
        with pytest.raises(errors.APIConnectionError) as raised:
            client.send(conversations.create())
        assert raised.value.applied is False
        assert [request.split()[0] for request in seen] == [b"CONNECT"] * 4


def test_certificates_of_the_environment_that_are_not_there_are_a_matter_of_configuration(make_client, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(errors.ConfigurationError, match="CA certificates, those of the environment included"):
        make_client(base_url="https://127.0.0.1:9/v1").send(conversations.create())


def test_the_password_of_a_proxy_is_not_shown():
    assert "hush" not in repr(Endpoint(base_url="https://x/v1", proxies={"https": "http://u:hush@p"}))


def test_the_defaults_are_those_that_are_documented():
    from airflow_provider_yandex_conv.api.retry import RequestRetry

    assert RequestRetry() == RequestRetry(attempts=5, wait_initial=0.5, wait_max=20, timeout=60)
