"""Every way to authenticate over real HTTP, judged by what reached the services that issue tokens and the API."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

import jwt
import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook

DEFAULT = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"


def operations(server):
    return [request.operation for request in server.requests]


@pytest.fixture
def create(library):
    """Return a function that creates a conversation by a hook: by its method, or in an event loop."""

    def by_method(hook):
        return hook.create_conversation()

    async def in_loop(hook):
        async with await hook.get_async_conn() as client:
            return await client.send(conversations.create())

    return by_method if library == "requests" else lambda hook: asyncio.run(in_loop(hook))


class TestWays:
    """Each way fetches its token once, and the API accepts it."""

    def test_a_service_account(self, server, connect_to, accepted_key):
        hook = connect_to(auth_type="service_account", service_account_key=accepted_key, folder_id="b1g")
        created = hook.create_conversation()
        assert hook.get_conversation(created.id) == created
        assert operations(server) == ["createIamToken", "createConversation", "getConversation"]
        asked, create, _ = server.requests
        claims = jwt.decode(asked.body["jwt"], options={"verify_signature": False})
        assert claims["aud"] == server.iam_url
        assert set(asked.body) == {"jwt"}
        assert create.headers["authorization"] == "Bearer"
        assert create.headers["openai-project"] == "b1g"

    def test_a_service_account_by_a_file(self, server, connect_to, create, accepted_key, tmp_path):
        (tmp_path / "key.json").write_text(json.dumps(accepted_key))
        create(connect_to(auth_type="service_account", service_account_key_path=str(tmp_path / "key.json")))
        assert operations(server) == ["createIamToken", "createConversation"]

    def test_the_metadata_service(self, server, connect_to, create):
        create(connect_to(auth_type="metadata"))
        assert operations(server) == ["getMetadataToken", "createConversation"]
        assert server.requests[0].headers["metadata-flavor"] == "Google"

    def test_a_workload_identity(self, server, connect_to, create, tmp_path):
        (tmp_path / "token").write_text("subject-1")
        hook = connect_to(
            auth_type="workload_identity",
            workload_identity_service_account_id="ajesa",
            workload_identity_token_path=str(tmp_path / "token"),
        )
        create(hook)
        assert operations(server) == ["exchangeToken", "createConversation"]
        asked = server.requests[0]
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(asked.body)
        assert (form["subject_token"], form["audience"]) == (["subject-1"], ["ajesa"])

    @pytest.mark.parametrize("extra", [{}, {"auth_type": "chain"}], ids=["yandexcloud", "chain"])
    def test_a_borrowed_connection(self, server, connect_to, create, accepted_key, monkeypatch, extra):
        borrowed = {"service_account_json": json.dumps(accepted_key), "folder_id": "b1g"}
        monkeypatch.setenv("AIRFLOW_CONN_YC", json.dumps({"conn_type": "yandexcloud", "extra": borrowed}))
        hook = connect_to(**{"auth_type": "yandexcloud", "yandexcloud_conn_id": "yc", **extra})
        create(hook)
        assert operations(server) == ["createIamToken", "createConversation"]
        assert server.requests[1].headers["openai-project"] == "b1g"

    def test_a_chain_that_ends_at_the_metadata_service(self, server, connect_to, create):
        create(connect_to(auth_type="chain"))
        assert operations(server) == ["getMetadataToken", "createConversation"]

    def test_a_chain_does_not_go_on_when_a_way_fails(self, server, connect_to, create, accepted_key):
        server.issue(service_account_keys=[])
        hook = connect_to(auth_type="chain", service_account_key=accepted_key)
        with pytest.raises(errors.CredentialRefreshError) as raised:
            create(hook)
        assert operations(server) == ["createIamToken"]
        assert "create conversation: no way of the chain works: api_key: password is empty" in str(raised.value)
        assert (
            "; iam_token: extra 'iam_token' is empty (0 characters); service_account: HTTP 401 Unauthorized: "
            in str(raised.value)
        )

    def test_a_connection_test_names_what_was_accepted(self, server, connect_to):
        works, message = connect_to(auth_type="metadata").test_connection()
        assert works
        assert "accepted the IAM token of the metadata service" in message
        assert operations(server) == ["getMetadataToken", "getConversation"]


class TestWithoutAConnection:
    """The default id needs none."""

    @pytest.fixture(autouse=True)
    def _nothing(self, server, monkeypatch):
        monkeypatch.delenv(DEFAULT, raising=False)
        monkeypatch.delenv("AIRFLOW_CONN_YANDEXCLOUD_DEFAULT", raising=False)
        monkeypatch.setattr(connection, "DEFAULT_BASE_URL", server.base_url)

    def test_the_metadata_service_is_asked(self, server, logged):
        YandexAIStudioHook().create_conversation()
        assert operations(server) == ["getMetadataToken", "createConversation"]
        assert (
            "There is no connection 'yandex_ai_studio_default'; using the service account of this machine, by its "
            "metadata service" in logged()
        )

    def test_the_connection_that_managed_airflow_sets_up_comes_first(self, server, monkeypatch, logged):
        extra = {"extra__yandexcloud__folder_id": "b1g"}
        monkeypatch.setenv("AIRFLOW_CONN_YANDEXCLOUD_DEFAULT", json.dumps({"conn_type": "yandexcloud", "extra": extra}))
        YandexAIStudioHook().create_conversation()
        assert operations(server) == ["getMetadataToken", "createConversation"]
        assert server.requests[1].headers["openai-project"] == "b1g"
        assert "using the service account of connection 'yandexcloud_default'" in logged()

    def test_any_other_connection_must_exist(self, server):
        with pytest.raises(Exception, match="other"):
            YandexAIStudioHook("other").create_conversation()
        assert server.requests == []


class TestRequestsForTokens:
    """What they carry, and what they do not."""

    def test_they_say_who_asks_but_carry_nothing_that_is_for_the_api(
        self, server, connect_to, create, monkeypatch, tmp_path
    ):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        create(connect_to(auth_type="metadata", folder_id="b1g", data_logging="false"))
        headers = server.requests[0].headers
        assert headers["user-agent"].startswith("airflow-provider-yandex-conv/")
        assert headers["x-client-request-id"]
        assert not {"authorization", "openai-project", "x-data-logging-enabled"} & set(headers)

    def test_a_key_travels_through_the_proxy_of_the_connection(self, server, connect_to, create, accepted_key):
        with Emulator() as proxy:  # it is none, and sees the whole URL as a path
            hook = connect_to(
                auth_type="service_account",
                service_account_key=accepted_key,
                proxies={"http": f"http://{proxy.metadata_address}"},
            )
            with pytest.raises(errors.CredentialRefreshError):
                create(hook)
            assert [request.path for request in proxy.requests] == [server.iam_url]
        assert server.requests == []

    @pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
    def test_the_metadata_service_is_asked_without_a_proxy(self, server, connect_to, create, monkeypatch, variable):
        with Emulator() as proxy:
            address = f"http://{proxy.metadata_address}"
            monkeypatch.setenv(variable, address)
            hook = connect_to(auth_type="metadata", proxies={"http": address})
            with pytest.raises(errors.NotFoundError):
                create(hook)
            assert [request.path for request in proxy.requests] == [f"{server.base_url}/conversations"]
        assert operations(server) == ["getMetadataToken"]
