"""Which credential a connection amounts to, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import traceback
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.chain import Chain, first_available
from airflow_provider_yandex_conv.auth.iam_token import IAMToken
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.auth.service_account import IAM_URL, ServiceAccount
from airflow_provider_yandex_conv.auth.workload_identity import WorkloadIdentity
from airflow_provider_yandex_conv.exceptions import ConfigurationError, CredentialUnavailableError
from airflow_provider_yandex_conv.hooks.connection import StoredConnection, parse

PREFIX = "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajekey>\n"


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


PAIR = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = pem(PAIR)
BODY = PEM.splitlines()[5]
KEY = {"id": "ajekey", "service_account_id": "ajesa", "key_algorithm": "RSA_2048", "private_key": PREFIX + PEM}


def stored(conn_id="ai", host="", password=None, **extras):
    return StoredConnection.copy_of(
        SimpleNamespace(conn_id=conn_id, host=host, port=None, password=password, extra=json.dumps(extras))
    )


def credential(lookup=lambda _: None, password=None, **extras):
    return parse(stored(password=password, **extras), lookup=lookup).credential


def refusal(lookup=lambda _: None, kind=ConfigurationError, **extras):
    with pytest.raises(kind) as raised:
        parse(stored(**extras), lookup=lookup)
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in trace.stack if "airflow_provider_yandex_conv" in frame.filename]
    said = str(raised.value) + "".join(str(frame.locals) for frame in ours)
    assert BODY not in said
    assert "planted" not in said
    return str(raised.value)


def claims_of(source, audience=IAM_URL):
    """Verify the signed request for a token as the vendor does, and return what it says."""
    call = source.token_call(1_000_000.7)
    signed = call.request.body["jwt"].reveal()
    assert jwt.get_unverified_header(signed) == {"typ": "JWT", "alg": "PS256", "kid": "ajekey"}
    claims = jwt.decode(
        signed, PAIR.public_key(), algorithms=["PS256"], audience=audience, options={"verify_exp": False}
    )
    assert signed not in repr(call)
    return call.request, claims


FORMS = {
    "object": KEY,
    "text": json.dumps(KEY),
    "no prefix": {**KEY, "private_key": PEM},
    "literal line breaks": {**KEY, "private_key": (PREFIX + PEM).replace("\n", "\\n")},
    "line breaks that a shell unescaped": json.dumps(KEY).replace("\\n", "\n"),
    "Windows": {**KEY, "private_key": (PREFIX + PEM).replace("\n", "\r\n")},
    "REST": {"key": {"id": "ajekey", "serviceAccountId": "ajesa"}, "privateKey": PREFIX + PEM},
    "PKCS 1": {
        **KEY,
        "private_key": PAIR.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode(),
    },
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_signs_whatever_its_form(form):
    source = credential(auth_type="service_account", service_account_key=form)
    request, claims = claims_of(source)
    assert (request.method, request.url) == ("POST", IAM_URL)
    assert claims == {"aud": IAM_URL, "iss": "ajesa", "iat": 1_000_000, "exp": 1_000_360}
    assert source.description == "IAM token of service account ajesa"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_read_from_a_file(form, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(form if isinstance(form, str) else json.dumps(form))
    claims_of(credential(auth_type="service_account", service_account_key_path=str(file)))


def test_the_audience_is_the_url_that_is_asked():
    url = "https://iam.api.yandexcloud.kz/iam/v1/tokens"
    source = credential(auth_type="service_account", service_account_key=KEY, iam_url=url)
    assert claims_of(source, audience=url)[0].url == url


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ({"private_key": PEM}, "has no usable 'id'"),
        ({**KEY, "id": PEM}, "has no usable 'id'"),
        ({**KEY, "service_account_id": ""}, "has no usable 'service_account_id'"),
        ({"key": {"id": "a", "serviceAccountId": 7}, "privateKey": PEM}, "has no usable 'service_account_id'"),
        ({**KEY, "private_key": BODY}, "has no 'private_key' in PEM"),
        ({**KEY, "private_key": PEM[:300]}, "has no 'private_key' in PEM"),
        ({**KEY, "private_key": [PEM]}, "has no 'private_key' in PEM"),
        ({"id": "a", "service_account_id": "b"}, "has no 'private_key' in PEM"),
    ],
)
def test_a_key_that_is_none_says_what_it_lacks(key, text, tmp_path):
    said = refusal(auth_type="service_account", service_account_key=key)
    assert "extra 'service_account_key' is not an authorized key of a service account: it " + text in said
    (tmp_path / "key.json").write_text(json.dumps(key))
    said = refusal(auth_type="service_account", service_account_key_path=str(tmp_path / "key.json"))
    assert f"extra 'service_account_key_path': {tmp_path}/key.json is not an authorized key" in said
    assert text in said


@pytest.mark.parametrize("key", [PEM, "[]", "{", 7, [PEM]])
def test_a_key_that_is_no_object_is_refused(key):
    assert "extra 'service_account_key' must be a JSON object" in refusal(
        auth_type="service_account", service_account_key=key
    )


@pytest.mark.parametrize(
    "private",
    [
        PEM.replace(BODY, BODY[::-1]),
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        PAIR.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
        ).decode(),
    ],
    ids=["damaged", "not RSA", "too short", "with a password"],
)
def test_a_key_that_cannot_sign_is_refused_without_being_shown(private):
    source = credential(auth_type="service_account", service_account_key={**KEY, "private_key": private})
    with pytest.raises(ConfigurationError) as raised:
        source.token_call(0)
    assert "the private key of key ajekey is not an RSA key of 2048 bits or more" in str(raised.value)
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert raised.value.__context__ is None
    ours = "".join(str(frame.locals) for frame in trace.stack if "airflow_provider_yandex_conv" in frame.filename)
    assert not [line for line in private.splitlines()[1:-1] if line in ours]


def test_two_keys_are_one_too_many():
    said = refusal(auth_type="service_account", service_account_key=KEY, service_account_key_path="/k")
    assert "are both set; leave one empty" in said


def test_files_that_are_not_there_cannot_be_read_or_are_no_text(tmp_path):
    path = str(tmp_path / "none")
    assert f"'service_account_key_path': {path} does not exist" in refusal(
        auth_type="service_account", service_account_key_path=path, kind=CredentialUnavailableError
    )
    identity = {"auth_type": "workload_identity", "workload_identity_service_account_id": "ajesa"}
    assert f"'workload_identity_token_path': {path} does not exist" in refusal(
        **identity, workload_identity_token_path=path, kind=CredentialUnavailableError
    )
    folder = str(tmp_path)
    for extras in (
        {"auth_type": "service_account", "service_account_key_path": folder},
        {**identity, "workload_identity_token_path": folder},
    ):
        assert f"{folder} cannot be read: Is a directory" in refusal(**extras)
    (tmp_path / "binary").write_bytes(b"planted\xff\xfe")
    refusal(auth_type="service_account", service_account_key_path=str(tmp_path / "binary"))
    assert "holds a character" in refusal(**identity, workload_identity_token_path=str(tmp_path / "binary"))


def test_a_workload_identity_reads_its_file_each_time(tmp_path):
    file = tmp_path / "token"
    file.write_text("planted-a\n")
    source = credential(
        auth_type="workload_identity",
        workload_identity_service_account_id="ajesa",
        workload_identity_token_path=str(file),
    )
    request = source.token_call(0).request
    assert request.body["subject_token"].reveal() == "planted-a"
    assert {name: value for name, value in request.body.items() if name != "subject_token"} == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "ajesa",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    assert (request.url, request.form) == ("https://auth.yandex.cloud/oauth/token", True)
    file.write_text("planted-b")
    assert source.token_call(0).request.body["subject_token"].reveal() == "planted-b"
    file.unlink()
    with pytest.raises(CredentialUnavailableError):
        source.token_call(0)


@pytest.mark.parametrize("missing", ["workload_identity_service_account_id", "workload_identity_token_path"])
def test_a_workload_identity_names_what_it_lacks(missing):
    extras = {"workload_identity_service_account_id": "a", "workload_identity_token_path": "/t", missing: None}
    said = refusal(auth_type="workload_identity", kind=CredentialUnavailableError, **extras)
    assert f"extra '{missing}' is empty (0 characters), and auth_type is workload_identity" in said


@pytest.mark.parametrize(
    ("address", "host"),
    [(None, "169.254.169.254"), ("", "169.254.169.254"), ("meta:8080", "meta:8080"), ("[fd00::1]:80", "[fd00::1]:80")],
)
def test_the_metadata_service_is_where_the_environment_says(address, host, monkeypatch):
    monkeypatch.delenv("YC_METADATA_ADDR", raising=False)
    if address is not None:
        monkeypatch.setenv("YC_METADATA_ADDR", address)
    request = credential(auth_type="metadata").token_call(0).request
    assert request.url == f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    assert (request.method, dict(request.headers), request.local) == ("GET", {"Metadata-Flavor": "Google"}, True)


@pytest.mark.parametrize("address", ["http://meta", "a b", "meta/x", "u:p@meta"])
def test_an_address_of_the_metadata_service_that_is_none_is_refused(address, monkeypatch):
    monkeypatch.setenv("YC_METADATA_ADDR", address)
    assert f"YC_METADATA_ADDR ({len(address)} characters) is not host or host:port" in refusal(auth_type="metadata")


class TestBorrowing:
    """The connection of type yandexcloud."""

    def borrow(self, extras, *, ours=None):
        asked = []

        def lookup(conn_id):
            asked.append(conn_id)
            return stored(conn_id, **extras)

        settings = parse(stored(auth_type="yandexcloud", **(ours or {})), lookup=lookup)
        assert asked == [(ours or {}).get("yandexcloud_conn_id", "yandexcloud_default")]
        return settings

    @pytest.mark.parametrize("prefix", ["", "extra__yandexcloud__"])
    @pytest.mark.parametrize("form", [KEY, json.dumps(KEY)], ids=["object", "text"])
    def test_its_key_is_used(self, prefix, form):
        settings = self.borrow({f"{prefix}service_account_json": form, f"{prefix}folder_id": "b1g"})
        claims_of(settings.credential)
        assert settings.endpoint.headers == {"OpenAI-Project": "b1g"}

    @pytest.mark.parametrize("prefix", ["", "extra__yandexcloud__"])
    def test_its_key_file_comes_before_its_key(self, prefix, tmp_path):
        (tmp_path / "key").write_text(json.dumps({**KEY, "service_account_id": "ajefile"}))
        extras = {f"{prefix}service_account_json_path": str(tmp_path / "key"), f"{prefix}service_account_json": KEY}
        assert self.borrow(extras).credential.description == "IAM token of service account ajefile"

    def test_a_short_name_comes_before_a_legacy_one_unless_it_is_empty(self):
        legacy = {
            "extra__yandexcloud__service_account_json": {**KEY, "service_account_id": "ajelegacy"},
            "extra__yandexcloud__folder_id": "legacy",
        }
        both = self.borrow({"service_account_json": KEY, "folder_id": "short", **legacy})
        assert both.credential.description.endswith("ajesa")
        assert both.endpoint.headers == {"OpenAI-Project": "short"}
        empty = self.borrow({"service_account_json": "", "folder_id": None, **legacy})
        assert empty.credential.description.endswith("ajelegacy")
        assert empty.endpoint.headers == {"OpenAI-Project": "legacy"}

    def test_nothing_means_the_metadata_service(self):
        settings = self.borrow({"endpoint": "api.cloud.yandex.net:443", "public_ssh_key": "x", "oauth": ""})
        assert isinstance(settings.credential, Metadata)
        assert settings.endpoint.base_url == "https://ai.api.cloud.yandex.net/v1"
        assert settings.unknown_extras == ()

    def test_our_own_folder_comes_first(self):
        settings = self.borrow({"folder_id": "theirs"}, ours={"folder_id": "ours", "yandexcloud_conn_id": "yc"})
        assert settings.endpoint.headers == {"OpenAI-Project": "ours"}

    def test_an_oauth_token_alone_is_refused(self):
        for name in ("oauth", "extra__yandexcloud__oauth"):
            said = refusal(lambda _, name=name: stored("yc", **{name: "y0_planted"}), auth_type="yandexcloud")
            assert "'oauth' of connection 'yandexcloud_default' is all that there is, and OAuth tokens are not" in said

    def test_an_oauth_token_beside_a_service_account_does_not_matter(self):
        claims_of(self.borrow({"oauth": "y0_planted", "service_account_json": KEY}).credential)

    def test_a_connection_that_is_not_there_is_named(self):
        said = refusal(auth_type="yandexcloud", yandexcloud_conn_id="yc", kind=CredentialUnavailableError)
        assert "connection 'ai': there is no connection 'yc' to borrow from" in said

    @pytest.mark.parametrize(
        ("extras", "text"),
        [
            ({"service_account_json": "planted"}, "'service_account_json' of connection 'yandexcloud_default' is not"),
            ({"service_account_json_path": "/none"}, "'service_account_json_path' of connection"),
            ({"folder_id": "b1g x"}, "'folder_id' of connection 'yandexcloud_default' must be a text of visible"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, extras, text):
        assert text in refusal(lambda conn_id: stored(conn_id, **extras), auth_type="yandexcloud")


class TestChain:
    """The first way that has its data."""

    def everything(self, tmp_path):
        (tmp_path / "token").write_text("planted")
        return {
            "iam_token": "t1.planted",
            "service_account_key": KEY,
            "workload_identity_service_account_id": "ajesa",
            "workload_identity_token_path": str(tmp_path / "token"),
            "yandexcloud_conn_id": "yc",
        }

    def test_the_order(self, tmp_path):
        extras = self.everything(tmp_path)
        chosen, password = [], "AQVN-planted"
        for gone in ("", "password", "iam_token", "service_account_key", "workload_identity_token_path"):
            password = None if gone == "password" else password
            extras.pop(gone, None)
            chosen.append(credential(stored, password=password, auth_type="chain", **extras))
        assert [type(one) for one in chosen] == [APIKey, IAMToken, Chain, Chain, Chain]
        assert [(one.name, type(one.source)) for one in chosen[2:]] == [
            ("service_account", ServiceAccount),
            ("workload_identity", WorkloadIdentity),
            ("yandexcloud", Metadata),
        ]
        del extras["yandexcloud_conn_id"]
        assert credential(auth_type="chain", **extras).name == "metadata"

    def test_the_name_of_its_call_lists_every_way_with_its_reason(self, tmp_path):
        chain = credential(auth_type="chain", service_account_key_path="/none", yandexcloud_conn_id="yc")
        assert chain.token_call(0).name == (
            "no way of the chain works: "
            "api_key: password is empty (0 characters): put the API key there, or choose another auth_type; "
            "iam_token: extra 'iam_token' is empty (0 characters); "
            "service_account: extra 'service_account_key_path': /none does not exist; "
            "workload_identity: extra 'workload_identity_service_account_id' is empty (0 characters); "
            "yandexcloud: there is no connection 'yc' to borrow from; "
            "metadata"
        )

    def test_data_that_cannot_be_used_ends_it(self):
        said = refusal(auth_type="chain", service_account_key={"id": "a"})
        assert "extra 'service_account_key' is not an authorized key" in said

    def test_the_folder_comes_with_the_way(self):
        def lookup(conn_id):
            return stored(conn_id, folder_id="theirs")

        borrowed = stored(auth_type="chain", yandexcloud_conn_id="yc")
        assert parse(borrowed, lookup=lookup).endpoint.headers == {"OpenAI-Project": "theirs"}
        own = stored(auth_type="chain", yandexcloud_conn_id="yc", service_account_key=KEY)
        assert parse(own, lookup=lookup).endpoint.headers == {}

    def test_a_chain_without_any_way_lists_them_all(self):
        def lacks():
            raise CredentialUnavailableError("nothing here")

        with pytest.raises(CredentialUnavailableError, match="no way of the chain works: a: nothing here; b: nothing"):
            first_available([("a", lacks), ("b", lacks)])


@pytest.mark.parametrize("url", ["iam.example", "ftp://iam.example", "https://u:planted@iam.example", "https://a b"])
@pytest.mark.parametrize("name", ["iam_url", "workload_identity_url"])
def test_a_url_that_is_none_is_refused(name, url):
    assert f"extra '{name}' must be a" in refusal(**{name: url})


def test_a_token_service_over_plain_http_is_known():
    extras = {"auth_type": "service_account", "service_account_key": KEY}
    assert parse(stored(**extras, iam_url="http://iam.example/t")).exposing_urls == ("http://iam.example/t",)
    assert parse(stored(**extras, host="http://ai.example")).exposing_urls == ("http://ai.example",)
    for auth_type in ("metadata", "chain"):
        assert parse(stored(auth_type=auth_type)).exposing_urls == ()


def test_secrets_are_known_so_that_they_can_be_masked():
    masked = []
    proxies = {"https": "http://u:planted-proxy@proxy:1", "http": "http://[", "no": "http://u:pw@proxy"}
    for secret in parse(stored(auth_type="chain", service_account_key=KEY, proxies=proxies)).secrets:
        secret.register(masked.extend)
    assert BODY in masked
    assert PEM.strip() in masked
    assert "planted-proxy" in masked
    assert not [one for one in masked if len(one) < 5]
