"""What a connection may hold, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import re
import traceback
from types import SimpleNamespace

import pytest

from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.iam_token import IAMToken
from airflow_provider_yandex_conv.exceptions import ConfigurationError
from airflow_provider_yandex_conv.hooks.connection import (
    DEFAULT_BASE_URL,
    FIELDS,
    UI_FIELD_BEHAVIOUR,
    StoredConnection,
    conn_fields,
    parse,
)

KEY = "AQVN-planted-4"
AUTH_TYPES = "api_key, iam_token, service_account, workload_identity, yandexcloud, metadata, chain, none"


def stored(host="", password=KEY, port=None, extra=None, **extras):
    """Return a connection as Airflow keeps it: a Connection with attributes that may be null."""
    text = json.dumps(extras) if extra is None else extra
    return StoredConnection.copy_of(
        SimpleNamespace(conn_id="ai", host=host or None, port=port, password=password, extra=text)
    )


def refusal(**fields):
    with pytest.raises(ConfigurationError) as raised:
        parse(stored(**fields))
    text = str(raised.value)
    assert text.startswith("connection 'ai': ")
    assert text.endswith("Nothing was sent.")
    assert KEY not in text
    return text


def test_a_key_alone_is_enough():
    settings = parse(stored())
    assert settings.endpoint.base_url == DEFAULT_BASE_URL
    assert isinstance(settings.credential, APIKey)
    assert (settings.credential.scheme, settings.credential.secret.reveal()) == ("Api-Key", KEY)
    assert settings.endpoint.headers == {}
    assert (settings.endpoint.timeout_connect, settings.endpoint.timeout_read) == (10, 30)
    assert (settings.retry.attempts, settings.retry.wait_max, settings.retry.timeout) == (5, 20, 60)
    assert (settings.endpoint.verify, settings.endpoint.proxies) == (True, None)


def test_every_extra_has_an_effect(tmp_path):
    settings = parse(
        stored(
            folder_id="b1g",
            auth_type="iam_token",
            iam_token="t1.x",
            timeout_connect=1,
            timeout_read=2.5,
            retry_attempts=7,
            retry_wait_max=3,
            retry_timeout=4,
            verify=str(tmp_path),
            proxies={"https": "http://user:pw@proxy:3128"},
            data_logging=False,
        )
    )
    assert settings.endpoint.headers == {"OpenAI-Project": "b1g", "x-data-logging-enabled": "false"}
    assert (settings.endpoint.timeout_connect, settings.endpoint.timeout_read) == (1, 2.5)
    assert (settings.retry.attempts, settings.retry.wait_max, settings.retry.timeout) == (7, 3, 4)
    assert (settings.endpoint.verify, dict(settings.endpoint.proxies)) == (
        str(tmp_path),
        {"https": "http://user:pw@proxy:3128"},
    )
    assert isinstance(settings.credential, IAMToken)
    assert "pw" not in repr(settings)
    assert parse(stored(auth_scheme="Bearer")).credential.scheme == "Bearer"
    assert settings.unknown_extras == ()


@pytest.mark.parametrize("unset", [None, "", " "])
def test_null_and_empty_mean_unset(unset):
    """A form stores every field that was left empty."""
    left_empty = dict.fromkeys((field.name for field in FIELDS), unset)
    assert parse(stored(**left_empty)).endpoint == parse(stored()).endpoint
    assert parse(stored(**left_empty)).retry == parse(stored()).retry


def test_values_that_a_form_stored_as_text_are_read():
    settings = parse(
        stored(
            timeout_read="2.5", retry_attempts="7", verify="False", data_logging="true", proxies='{"https": "http://p"}'
        )
    )
    assert (settings.endpoint.timeout_read, settings.retry.attempts, settings.endpoint.verify) == (2.5, 7, False)
    assert settings.endpoint.headers == {"x-data-logging-enabled": "true"}
    assert dict(settings.endpoint.proxies) == {"https": "http://p"}


@pytest.mark.parametrize(
    ("extras", "text"),
    [
        (
            {"auth_type": "oauth2"},
            f"extra 'auth_type' must be one of {AUTH_TYPES}, got a text of 6 characters",
        ),
        ({"auth_type": KEY}, f"extra 'auth_type' must be one of {AUTH_TYPES}, got a text of 14 characters"),
        ({"auth_type": ["none"]}, f"extra 'auth_type' must be one of {AUTH_TYPES}, got a list of 1 entries"),
        ({"auth_type": "iam_token"}, "extra 'iam_token' is empty (0 characters), and auth_type is iam_token"),
        ({"auth_type": "none"}, "extra 'auth_type' is none (4 characters), which is for a server on this machine only"),
        (
            {"auth_scheme": "Basic"},
            "extra 'auth_scheme' must be one of Api-Key, Bearer, got a text of 5 characters",
        ),
        ({"iam_token": {"a": 1}}, "extra 'iam_token' must be a text, got a dict of 1 entries"),
        ({"iam_token": f"{KEY} {KEY}"}, "extra 'iam_token' (29 characters) holds a character at position 14"),
        ({"folder_id": "b1g\r\nX: 1"}, "extra 'folder_id' must be a text of visible ASCII characters"),
        ({"folder_id": 7}, "extra 'folder_id' must be a text, got the int 7"),
        ({"timeout_read": 0}, "extra 'timeout_read' must be a number greater than 0, got the int 0"),
        ({"timeout_read": "soon"}, "extra 'timeout_read' must be a number greater than 0, got a text of 4 characters"),
        ({"timeout_read": 1e10}, "extra 'timeout_read' must be a number of at most 86400, got a float"),
        ({"verify": KEY * 40}, "extra 'verify' must be true, false or the path of an existing file or folder"),
        ({"timeout_read": True}, "extra 'timeout_read' must be a number greater than 0, got the bool True"),
        (
            {"timeout_connect": "inf"},
            "extra 'timeout_connect' must be a number of at most 86400, got a text of 3 characters",
        ),
        ({"retry_attempts": 1.5}, "extra 'retry_attempts' must be a whole number of at least 1, got the float 1.5"),
        ({"retry_attempts": 0}, "extra 'retry_attempts' must be a whole number of at least 1, got the int 0"),
        ({"retry_wait_max": -1}, "extra 'retry_wait_max' must be a number of at least 0, got the int -1"),
        ({"retry_timeout": []}, "extra 'retry_timeout' must be a number greater than 0, got a list of 0 entries"),
        ({"verify": "/no/such/ca.pem"}, "extra 'verify' must be true, false or the path of an existing file or folder"),
        ({"verify": 1}, "extra 'verify' must be true, false or the path of an existing file or folder, got the int 1"),
        ({"proxies": "http://p"}, "extra 'proxies' must be a JSON object of texts, got a text of 8 characters"),
        ({"proxies": {"https": 1}}, "extra 'proxies' must be a JSON object of texts, got a dict of 1 entries"),
        ({"data_logging": "no"}, "extra 'data_logging' must be true or false, got a text of 2 characters"),
    ],
)
def test_an_extra_that_is_wrong_is_named_with_its_size_and_what_to_do(extras, text):
    assert text in refusal(**extras)


@pytest.mark.parametrize("extra", ["{", "[]", '"x"', "7", f'{{"iam_token": "{KEY}'])
def test_extras_that_are_no_json_object_are_refused(extra):
    assert f"extra ({len(extra)} characters) is not a JSON object; correct it" in refusal(extra=extra)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("ai.api.cloud.yandex.net", "host (23 characters) has no scheme http or https; write it like https://ai."),
        ("ftp://x/v1", "host (10 characters) has no scheme http or https"),
        ("https://", "has no scheme http or https"),
        (f"https://u:{KEY}@x/v1", "holds a user name or password; those go into the password"),
        ("https://x/v1?a=b", "has a query or fragment"),
        ("https://x/v1#a", "has a query or fragment"),
        ("https://x:port/v1", "is not a URL"),
        ("https://[x/v1", "is not a URL"),
        ("https://:80/v1", "is not a URL"),
        ("https://x y/v1", "is not a URL"),
    ],
)
def test_a_host_that_is_no_base_url_is_refused(host, text):
    assert text in refusal(host=host)


@pytest.mark.parametrize(
    ("host", "port", "base_url"),
    [
        ("", None, DEFAULT_BASE_URL),
        (" https://x/v1/ ", None, "https://x/v1"),
        ("https://x/v1", 0, "https://x/v1"),
        ("https://x/v1", 8443, "https://x:8443/v1"),
        ("https://x:8443/v1", 8443, "https://x:8443/v1"),
        ("http://[::1]:80/v1", None, "http://[::1]:80/v1"),
        (None, 443, DEFAULT_BASE_URL),
        ("http://x/v1", 80, "http://x/v1"),
        ("https://x:8443/v1", 0, "https://x:8443/v1"),
    ],
)
def test_a_host_is_a_base_url(host, port, base_url):
    assert parse(stored(host=host, port=port)).endpoint.base_url == base_url


def test_two_ports_that_differ_are_refused():
    assert "host names port 1 and port is 2; make both the same" in refusal(host="https://x:1/v1", port=2)


def test_a_connection_without_a_credential_says_where_it_goes():
    text = refusal(password=None)
    assert "password is empty (0 characters): put the API key there, or choose another auth_type" in text
    assert refusal(password=f"{KEY}\nX") != text


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:1/v1", "http://localhost/v1", "https://[::1]/v1", "http://a.localhost"]
)
def test_no_credential_is_needed_on_this_machine(host):
    settings = parse(stored(host=host, password=None, auth_type="none"))
    assert settings.credential == Anonymous()
    assert settings.exposing_urls == ()


@pytest.mark.parametrize("host", ["http://10.0.0.1/v1", "https://localhost.example/v1", "https://x/v1"])
def test_no_credential_is_refused_elsewhere(host):
    assert "for a server on this machine only" in refusal(host=host, auth_type="none")


@pytest.mark.parametrize(
    ("host", "exposed"), [("http://x/v1", True), ("https://x/v1", False), ("http://[::1]/v1", False)]
)
def test_a_credential_over_plain_http_is_known(host, exposed):
    assert bool(parse(stored(host=host)).exposing_urls) is exposed


def test_extras_that_mean_nothing_are_known_by_name():
    assert parse(stored(folder="b1g", timeout=3)).unknown_extras == ("folder", "timeout")


def test_the_second_name_that_the_form_of_airflow_2_gives_an_extra_is_known():
    assert parse(stored(folder_id="b1g", extra__yandex_ai_studio__folder_id="b1g")).unknown_extras == ()
    assert parse(stored(extra__yandex_ai_studio__folder="b1g")).unknown_extras == ("folder",)


#: Keys and tokens that somebody pasted in place of the path of their file.
PASTED = [
    {"auth_type": auth_type, "workload_identity_service_account_id": "aje", name: text}
    for auth_type, name in (
        ("service_account", "service_account_key_path"),
        ("workload_identity", "workload_identity_token_path"),
    )
    for text in (
        KEY,
        f'{{"private_key": "{KEY}"}}',
        f"-----BEGIN PRIVATE KEY-----\n/{KEY}",
        f"/{KEY}\0",
        f"eyJ0.{KEY}.x/y",
    )
]


@pytest.mark.parametrize("fields", PASTED)
def test_what_is_pasted_in_place_of_a_path_is_not_shown(fields):
    said = refusal(**fields)
    assert re.search(r"extra '\w+_path' must be the absolute path of a file, got a text of \d+ characters", said)
    assert KEY not in said


@pytest.mark.parametrize("fields", PASTED[:5])
def test_what_is_pasted_in_place_of_a_path_in_a_borrowed_connection_is_not_shown(fields):
    borrowed = stored(service_account_json_path=fields["service_account_key_path"])
    with pytest.raises(ConfigurationError) as raised:
        parse(stored(auth_type="yandexcloud"), lookup=lambda _: borrowed)
    assert "'service_account_json_path' of connection 'yandexcloud_default' must be the absolute path of a" in str(
        raised.value
    )
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in trace.stack if "airflow_provider_yandex_conv" in frame.filename]
    assert KEY not in str(raised.value) + "".join(str(frame.locals) for frame in ours)


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout_read": "soon"},
        {"host": "nowhere"},
        {"auth_type": "x", "iam_token": KEY},
        {"password": f"{KEY} {KEY}"},
        {"iam_token": f"{KEY} {KEY}"},
        {"extra": f'{{"iam_token": "{KEY}'},
        {"proxies": {"https": 1, "http": KEY}},
        *PASTED,
    ],
)
def test_no_frame_of_a_refusal_prints_a_secret(fields):
    with pytest.raises(ConfigurationError) as raised:
        parse(stored(**fields))
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in trace.stack if "airflow_provider_yandex_conv" in frame.filename]
    assert ours
    assert KEY not in "".join(str(frame.locals) for frame in ours)
    assert raised.value.__cause__ is None


def test_every_extra_is_a_field_of_the_form():
    declared = conn_fields()
    assert set(declared) == {field.name for field in FIELDS}
    for field in declared.values():
        assert field["label"]
        assert field["description"]
        assert "null" in field["schema"]["type"]
        assert "default" not in field["schema"]  # a form would store it
    assert declared["iam_token"]["schema"]["format"] == "password"
    assert declared["auth_type"]["schema"]["enum"] == AUTH_TYPES.split(", ")
    assert declared["retry_attempts"]["schema"] == {"type": ["integer", "null"], "minimum": 1}
    assert declared["timeout_read"]["schema"] == {"type": ["number", "null"], "exclusiveMinimum": 0}


def test_the_default_host_of_the_form_is_the_one_used():
    assert UI_FIELD_BEHAVIOUR["placeholders"]["host"] == DEFAULT_BASE_URL
