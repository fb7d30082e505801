"""The form of a connection: what it offers, what it stores, what it never shows, and what Test says."""

from __future__ import annotations

import json
import socket
import uuid

import pytest
from playwright.sync_api import expect

from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.fields import Choice, Flag, SecretText

KEY, FOLDER = "AQVN-browser-key", "b1g-browser"
#: What a person may fill in, by the names of the extras.
TYPED = {
    "folder_id": FOLDER,
    "auth_type": "api_key",
    "auth_scheme": "Bearer",
    "iam_token": "t1." + "planted-iam-token" * 60,
    "service_account_key": '{\n  "private_key": "-----BEGIN\\nplanted-private-key\\n-----END"\n}',
    "service_account_key_path": "/etc/sa.json",
    "workload_identity_service_account_id": "aje",
    "workload_identity_token_path": "/etc/token",
    "workload_identity_url": "https://exchange.example/token",
    "yandexcloud_conn_id": "other",
    "iam_url": "https://iam.example/tokens",
    "timeout_connect": "1.5",
    "timeout_read": "2.5",
    "retry_attempts": "3",
    "retry_wait_max": "4",
    "retry_timeout": "5",
    "verify": "false",
    "proxies": '{"https": "http://proxy:3128"}',
    "data_logging": "false",
}
#: What Airflow 3 does not show again, as it takes the names for those of secrets. It keeps what is stored.
MASKED = {
    "iam_token",
    "service_account_key",
    "service_account_key_path",
    "workload_identity_service_account_id",
    "workload_identity_token_path",
    "proxies",
}
LABELS = {field.name: field.label for field in connection.FIELDS}


@pytest.fixture
def form(page, server):
    return server.form(page)


@pytest.fixture
def conn_id():
    """An id that no connection has."""
    return f"ai_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(form, conn_id, server, version):
    """Return a function that fills in a new form, and saves it unless Test is in the form."""

    def fill_in(*, host=None, password=KEY, **extras):
        host = host or server.emulator.base_url
        form.add(conn_id)
        form.fill("Base URL", host)
        # Without it Airflow 3.3 does not test what is stored.
        form.fill("Port", host.partition("://")[2].partition("/")[0].partition(":")[2])
        if password:
            form.fill("API key", password)
        for name, text in extras.items():
            form.fill(LABELS[name], text)
        if version != "2.10":
            form.save()

    return fill_in


def read(server, conn_id):
    """Return the settings that the hook reads from what is stored."""
    host, port, password, extra = server.stored_connection(conn_id)
    return connection.parse(connection.StoredConnection(conn_id, host or "", port, password or "", json.dumps(extra)))


def test_every_field_has_a_label_and_help_and_secrets_are_hidden(form, conn_id, version, picture):
    form.add(conn_id)
    for label in ("Base URL", "API key", "Port"):
        expect(form.field(label)).to_be_visible()
    assert form.field("Base URL").get_attribute("placeholder") == connection.DEFAULT_BASE_URL
    if version != "3.1":  # which has no placeholder for a number
        assert form.field("Port").get_attribute("placeholder").startswith("443")
    assert form.field("API key").get_attribute("type") == "password"
    form.fill("Base URL", connection.DEFAULT_BASE_URL)
    for field in connection.FIELDS:
        assert form.help(field.label) == field.description
        if isinstance(field, SecretText) and version != "3.1":  # which has no hidden extras
            assert form.field(field.label).get_attribute("type") == "password"
        if isinstance(field, Choice | Flag) and version != "2.10":  # which has no choices
            assert form.choices(field.label) == field.conn_field()["schema"]["enum"]
    form.field("Folder ID").scroll_into_view_if_needed()
    picture(form.page, "connection-form" if version == "3.3" else f"connection-form-{version}")


def test_what_is_saved_is_neither_lost_nor_shown_again(form, conn_id, server):
    form.add(conn_id)
    form.fill("Base URL", "https://ai.example/v1")
    form.fill("API key", KEY)
    for name, text in TYPED.items():
        form.fill(LABELS[name], text)
    form.save()
    first = server.stored_connection(conn_id)
    host, _, password, extra = first
    assert (host, password) == ("https://ai.example/v1", KEY)
    assert {name: as_stored(value) for name, value in extra.items()} == {
        name: as_stored(value) for name, value in TYPED.items()
    }

    form.edit(conn_id)
    for name, text in TYPED.items():
        if name not in MASKED:
            assert form.shown(LABELS[name]) == text, name
    page = form.page.content() + "".join(field.input_value() for field in form.page.locator("input, textarea").all())
    assert [secret for secret in (KEY, "planted-iam-token", "planted-private-key") if secret in page] == []
    form.fill("Folder ID", "b1g-other")
    form.save()
    *_, password, extra = server.stored_connection(conn_id)
    assert (password, extra.pop("folder_id")) == (KEY, "b1g-other")
    assert extra == {name: value for name, value in first[3].items() if name != "folder_id"}


def as_stored(value):
    """Return what a value means that one form stores as it is and another as text, with or without its line breaks."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def test_what_is_left_empty_is_unset(form, conn_id, server):
    form.add(conn_id)
    form.fill("API key", KEY)
    form.fill("Folder ID", FOLDER)
    form.save()
    *_, extra = server.stored_connection(conn_id)
    assert {name for name, value in extra.items() if value not in {None, ""}} == {"folder_id"}
    settings = read(server, conn_id)
    assert settings.endpoint.base_url == connection.DEFAULT_BASE_URL
    assert settings.endpoint.headers == {"OpenAI-Project": FOLDER}
    assert settings.credential.secret.reveal() == KEY


def test_a_good_key_passes(form, store, conn_id, server, emulator, picture, version):
    store(folder_id=FOLDER)
    said = form.test(conn_id)
    assert f"{emulator.base_url} answered and accepted the API key" in said
    assert [(one.operation, one.headers["openai-project"]) for one in emulator.requests] == [
        ("getConversation", FOLDER)
    ]
    picture(form.page, "connection-test" if version == "3.3" else f"connection-test-{version}")


def test_a_key_that_is_refused_is_said(form, store, conn_id, emulator):
    store(password="AQVN-another", folder_id=FOLDER)
    said = form.test(conn_id)
    assert "401" in said
    assert conn_id not in said
    assert "AQVN-another" not in said


def test_a_key_without_a_folder_uses_that_of_the_service_account(form, store, conn_id, emulator):
    store()
    assert "accepted the API key" in form.test(conn_id)
    (request,) = emulator.requests
    assert "openai-project" not in request.headers


def test_no_key_at_all_is_said(form, store, conn_id, emulator):
    store(password=None, folder_id=FOLDER)
    said = form.test(conn_id)
    assert "password is empty (0 characters): put the API key there, or choose another auth_type" in said
    assert "connection '" not in said  # Airflow tests a copy under a random id
    assert emulator.requests == []


def test_a_host_where_nobody_listens_is_said(form, store, conn_id):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        store(host=f"http://127.0.0.1:{closed.getsockname()[1]}/v1", folder_id=FOLDER)
        assert "refused" in form.test(conn_id).lower()


def test_a_key_file_can_be_pasted_with_its_line_breaks(form, store, conn_id, emulator):
    key = json.dumps(emulator.new_service_account_key(), indent=2)
    store(
        password=None, folder_id=FOLDER, auth_type="service_account", service_account_key=key, iam_url=emulator.iam_url
    )
    assert "answered and accepted" in form.test(conn_id)


@pytest.mark.parametrize("version", ["3.3", "3.1"])
def test_the_way_to_authenticate_can_be_changed_and_unsaid(form, store, conn_id, server, emulator, version):
    store(folder_id=FOLDER, auth_type="service_account")
    assert "service_account_key" in form.test(conn_id)
    form.edit(conn_id)
    form.fill(LABELS["auth_type"], "api_key")
    form.save()
    assert "accepted the API key" in form.test(conn_id)
