"""The hook, from an Airflow connection to what the server stores."""

from __future__ import annotations

import json
import platform

import pytest

from airflow_provider_yandex_conv import __version__
from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

VARIABLE = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"
KEY = "AQVN-planted-3"


@pytest.fixture
def hook(emulator):
    return YandexAIStudioHook()


@pytest.fixture
def connect(monkeypatch):
    """Return a function that makes a hook with a connection of its own."""

    def make(connection=None, **fields):
        stored = connection or json.dumps({"conn_type": "yandex_ai_studio", **fields})
        monkeypatch.setenv(VARIABLE, stored)
        return YandexAIStudioHook()

    return make


def test_a_conversation_from_its_creation_to_its_end(emulator, hook):
    created = hook.create_conversation(metadata={"a": "b"}, items=[{"role": "user", "content": "Hello"}])
    (stored,) = emulator.conversations
    assert stored["id"] == created.id
    assert stored["metadata"] == created.metadata == {"a": "b"}
    assert stored["items"][0]["content"] == [{"type": "input_text", "text": "Hello"}]

    assert hook.get_conversation(created.id) == created
    updated = hook.update_conversation(created.id, metadata={"c": "d"})
    assert (updated.id, updated.metadata, updated.created_at) == (created.id, {"c": "d"}, created.created_at)
    assert emulator.conversations[0]["metadata"] == {"c": "d"}

    assert hook.delete_conversation(created.id) is True
    assert emulator.conversations == []
    assert [request.operation for request in emulator.requests] == [
        "createConversation",
        "getConversation",
        "updateConversation",
        "deleteConversation",
    ]


def test_nothing_is_sent_that_was_not_given(emulator, hook):
    hook.create_conversation()
    assert emulator.requests[0].body == {}


def test_a_conversation_that_is_not_there(hook):
    with pytest.raises(errors.NotFoundError):
        hook.get_conversation("c1")
    with pytest.raises(errors.NotFoundError):
        hook.update_conversation("c1", metadata={})
    with pytest.raises(errors.NotFoundError):
        hook.delete_conversation("c1")
    assert hook.delete_conversation("c1", ignore_missing=True) is False


def test_a_create_whose_answer_is_lost_is_left_to_the_caller(emulator, hook):
    emulator.fail("createConversation", status=503, applied=True)
    with pytest.raises(errors.AmbiguousOutcomeError):
        hook.create_conversation()
    assert len(emulator.requests) == 1


def test_the_client_is_built_once_and_late(emulator, hook):
    assert hook.get_conn() is hook.get_conn()
    assert emulator.requests == []


def test_requests_say_who_asks(emulator, connect):
    from airflow import __version__ as airflow

    connect(emulator.connection(folder_id="b1g", data_logging=False)).create_conversation()
    headers = emulator.requests[0].headers
    python = platform.python_version()
    assert (
        headers["user-agent"] == f"airflow-provider-yandex-conv/{__version__} apache-airflow/{airflow} python/{python}"
    )
    assert headers["openai-project"] == "b1g"
    assert headers["x-data-logging-enabled"] == "false"


def test_requests_say_nothing_that_the_connection_does_not(emulator, hook, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection())
    hook.create_conversation()
    assert not {"openai-project", "x-data-logging-enabled", "authorization"} & set(emulator.requests[0].headers)


@pytest.mark.parametrize(
    ("password", "extra", "scheme"),
    [
        (KEY, {}, "Api-Key"),
        (KEY, {"auth_type": "api_key"}, "Api-Key"),
        (KEY, {"auth_scheme": "Bearer"}, "Bearer"),
        (None, {"auth_type": "iam_token", "iam_token": KEY}, "Bearer"),
        ("something else", {"auth_type": "iam_token", "iam_token": KEY}, "Bearer"),
    ],
)
def test_a_credential_reaches_the_server_in_its_scheme(connect, password, extra, scheme):
    with Emulator(api_key=KEY) as server:
        hook = connect(host=server.base_url, password=password, extra=extra)
        hook.create_conversation()
        assert server.requests[0].headers["authorization"] == scheme


def test_settings_of_the_connection_are_kept(emulator, connect):
    emulator.fail("getConversation", status=503, times=None)
    hook = connect(emulator.connection(retry_attempts=2, retry_wait_max="0.01"))
    with pytest.raises(errors.InternalServerError, match="Gave up after 2 of 2 attempts"):
        hook.get_conversation("c1")
    emulator.reset()
    emulator.fail("getConversation", delay=5)
    hook = connect(emulator.connection(timeout_read=0.1, retry_attempts=1))
    with pytest.raises(errors.APITimeoutError, match=r"in 0\.1 s"):
        hook.get_conversation("c1")


def test_a_proxy_of_the_connection_is_used(emulator, connect):
    hook = connect(
        host="http://localhost:9/v1",
        extra={"auth_type": "none", "proxies": {"http": emulator.base_url.removesuffix("/v1")}},
    )
    with pytest.raises(errors.NotFoundError):  # the emulator is no proxy, and sees the whole URL as a path
        hook.create_conversation()
    assert [request.path for request in emulator.requests] == ["http://localhost:9/v1/conversations"]


def test_retry_settings_of_the_hook_come_before_those_of_the_connection(emulator, connect):
    connect(emulator.connection(retry_attempts=4))
    hook = YandexAIStudioHook(request_retry=type(YandexAIStudioHook().get_conn().retry)(attempts=1))
    emulator.fail("getConversation", status=503)
    with pytest.raises(errors.InternalServerError, match="Gave up after 1 of 1 attempts"):
        hook.get_conversation("c1")


def test_extras_that_mean_nothing_are_named_in_a_warning(emulator, connect, logged):
    connect(emulator.connection(foldr_id="b1g", iam_tokn="hush")).get_conn()
    text = logged()
    assert "has extras that mean nothing here: foldr_id, iam_tokn" in text
    assert "hush" not in text


def test_a_credential_over_plain_http_is_warned_of(connect, logged):
    connect(host="http://studio.example/v1", password=KEY).get_conn()
    text = logged()
    assert "sends its credential over plain http to http://studio.example/v1; use https" in text
    assert KEY not in text


def test_a_working_connection_says_what_was_checked(emulator, hook):
    assert hook.test_connection() == (
        True,
        f"{emulator.base_url} answered and accepted the absence of a credential "
        "(looked up a conversation that does not exist)",
    )
    assert [request.method for request in emulator.requests] == ["GET"]


def test_a_connection_test_that_fails_says_what_to_mend(connect, emulator):
    with Emulator(api_key=KEY, folder_id="b1g") as server:
        works, message = connect(host=server.base_url, password="AQVN-wrong").test_connection()
        assert (works, "Check the credential of the connection" in message) == (False, True)
        works, message = connect(host=server.base_url, password=KEY, extra={"folder_id": "other"}).test_connection()
        assert (works, "Specified folder ID 'other' does not match" in message) == (False, True)
        dead = server.base_url
    works, message = connect(host=dead, password=KEY).test_connection()
    assert (works, "Connection refused" in message) == (False, True)
    works, message = connect(host=dead).test_connection()
    assert (works, "password is empty (0 characters): put the API key there" in message) == (False, True)
    emulator.fail("getConversation", status=404, shape="html")
    works, message = connect(emulator.connection()).test_connection()
    assert (works, "is no Conversations API" in message) == (False, True)


def test_a_connection_test_is_not_repeated(emulator, hook):
    emulator.fail("getConversation", status=503, times=None)
    assert hook.test_connection()[0] is False
    assert len(emulator.requests) == 1


def test_a_connection_that_is_not_defined_is_said_so(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    with pytest.raises(errors.ConfigurationError, match="connection 'nowhere' is not defined; create it, or set"):
        YandexAIStudioHook("nowhere").create_conversation()


def test_a_hook_that_was_interrupted_before_it_was_used_sends_nothing(emulator, hook):
    hook.interrupt()
    with pytest.raises(errors.InterruptedCallError):
        hook.create_conversation()
    assert emulator.requests == []


def test_a_host_without_its_version_is_no_api(emulator, connect):
    works, message = connect(host=emulator.base_url.removesuffix("/v1"), extra={"auth_type": "none"}).test_connection()
    assert (works, "is no Conversations API" in message) == (False, True)


def test_a_key_is_checked_on_unknown_routes_too(connect):
    with Emulator(api_key=KEY) as server:
        host = server.base_url.removesuffix("/v1")
        assert "HTTP 401" in connect(host=host, password="AQVN-wrong").test_connection()[1]
