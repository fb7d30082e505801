"""What Airflow knows of the provider: registration, forms, command line."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import warnings
from importlib.metadata import distribution, entry_points
from pathlib import Path
from unittest import mock

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import BaseHook, Connection

from airflow_provider_yandex_conv import __version__, get_provider_info
from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

AUTH_TYPES = [
    "api_key",
    "iam_token",
    "service_account",
    "workload_identity",
    "yandexcloud",
    "metadata",
    "chain",
    "none",
]
DISTRIBUTION = "airflow-provider-yandex-conv"
AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])


def test_the_info_follows_the_schema_of_the_installed_airflow():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_info_names_the_distribution_that_declares_it():
    """Airflow refuses all providers when one of them gets this wrong."""
    assert get_provider_info()["package-name"] == distribution(DISTRIBUTION).name == DISTRIBUTION
    assert distribution(DISTRIBUTION).version == __version__
    (entry,) = [one for one in entry_points(group="apache_airflow_provider") if one.dist.name == DISTRIBUTION]
    assert entry.load()() == get_provider_info()


def test_everything_the_info_names_can_be_imported():
    info = get_provider_info()
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for integration in info[kind]:
            for module in integration["python-modules"]:
                importlib.import_module(module)
    for link in info["extra-links"]:
        module, _, name = link.rpartition(".")
        assert getattr(importlib.import_module(module), name).name == "Conversation"
    (connection_type,) = info["connection-types"]
    module, _, name = connection_type["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook is YandexAIStudioHook
    assert (hook.conn_type, hook.hook_name) == (connection_type["connection-type"], connection_type["hook-name"])


def test_airflow_loads_the_plugin_and_older_releases_have_no_page():
    (entry,) = [one for one in entry_points(group="airflow.plugins") if one.dist.name == DISTRIBUTION]
    plugin = entry.load()
    has_pages = AIRFLOW >= (3, 1)
    for extension in (plugin.fastapi_apps, plugin.external_views, plugin.operator_extra_links):
        assert bool(extension) is has_pages
    assert bool(YandexCreateConversationOperator(task_id="create").operator_extra_links) is has_pages


def test_no_import_of_ours_is_deprecated():
    """What a running test does is covered by the warning filter of the suite; imports come once in a process."""
    script = """
import importlib, pkgutil, sys, warnings
examples, below_3_3, below_3_1 = sys.argv[1], sys.argv[2] == "True", sys.argv[3] == "True"
sys.path.insert(0, examples)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import airflow_provider_yandex_conv as package
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        absent = ["__main__"] + ["retry_policy"] * below_3_3 + ["ui.app", "ui.task"] * below_3_1
        if not module.name.endswith(tuple(absent)):
            importlib.import_module(module.name)
    for module in pkgutil.iter_modules([examples]):
        importlib.import_module(module.name)
ours = (package.__path__[0], examples)
print([str(one.message) for one in seen if one.filename.startswith(ours)])
"""
    examples = str(Path(__file__).parents[2] / "dags_examples")
    ended = subprocess.run(
        [sys.executable, "-c", script, examples, str(AIRFLOW < (3, 3)), str(AIRFLOW < (3, 1))],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_airflow_finds_the_hook_by_the_connection_type(monkeypatch):
    from airflow.providers_manager import ProvidersManager

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow 3.3 wants its own code to ask elsewhere
        hooks = ProvidersManager().hooks
    assert hooks["yandex_ai_studio"].hook_name == "Yandex AI Studio"
    assert hooks["yandex_ai_studio"].connection_testable
    monkeypatch.setenv("AIRFLOW_CONN_AI", json.dumps({"conn_type": "yandex_ai_studio", "password": "k"}))
    hook = BaseHook.get_hook("ai")
    assert isinstance(hook, YandexAIStudioHook)
    assert hook.yandex_ai_studio_conn_id == "ai"


@pytest.mark.parametrize("host", ["https://h:8443/v1", "http://127.0.0.1:1/v1"])
def test_a_connection_survives_its_uri_form(host, monkeypatch):
    extra = {"folder_id": "b1g", "timeout_read": 5, "proxies": {"https": "http://p:1"}}
    whole = Connection(conn_id="ai", conn_type="yandex_ai_studio", host=host, password="k+/=", extra=json.dumps(extra))
    monkeypatch.setenv("AIRFLOW_CONN_AI", whole.get_uri())
    both = [
        connection.parse(connection.StoredConnection.copy_of(one)) for one in (whole, BaseHook.get_connection("ai"))
    ]
    assert both[0].endpoint == both[1].endpoint
    assert [one.credential.secret.reveal() for one in both] == ["k+/=", "k+/="]


def test_the_names_of_secret_extras_are_masked_by_airflow():
    try:
        from airflow.sdk.log import redact
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import redact
        except ImportError:
            from airflow.utils.log.secrets_masker import redact
    secret = {field.name for field in connection.FIELDS if field.conn_field()["schema"].get("format") == "password"}
    assert secret == {"iam_token", "service_account_key"}
    assert redact(dict.fromkeys(secret, "hush")) == dict.fromkeys(secret, "***")


@pytest.mark.skipif(AIRFLOW < (3, 2), reason="older Airflow asks the hook for its form")
def test_the_form_shows_every_field_of_the_declaration():
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (form,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "yandex_ai_studio"]
    assert form.hook_name == "Yandex AI Studio"
    assert list(form.extra_fields) == [field.name for field in connection.FIELDS]
    assert form.extra_fields["auth_type"]["schema"]["enum"] == AUTH_TYPES
    assert form.extra_fields["iam_token"]["schema"]["format"] == "password"
    assert form.standard_fields.password.title == "API key"
    assert form.standard_fields.host.placeholder == connection.DEFAULT_BASE_URL
    assert form.standard_fields.url_schema.hidden
    assert form.standard_fields.login.hidden
    assert "443" in form.standard_fields.port.placeholder


@pytest.mark.skipif(AIRFLOW >= (3, 0), reason="the form of Airflow 2")
def test_the_form_of_airflow_2_shows_every_field():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    prefix = "extra__yandex_ai_studio__"
    names = [one.field_name for key, one in manager.connection_form_widgets.items() if key.startswith(prefix)]
    assert names == [field.name for field in connection.FIELDS]
    behaviour = manager.field_behaviours["yandex_ai_studio"]
    assert behaviour["relabeling"] == {"host": "Base URL", "password": "API key", "port": "Port"}
    assert behaviour["hidden_fields"] == ["schema", "login"]


@pytest.mark.skipif(AIRFLOW != (3, 1), reason="the form of Airflow 3.1; 3.0 shows extras beside Flask-AppBuilder only")
def test_the_form_of_airflow_3_1_shows_every_field():
    asked = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
(form,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "yandex_ai_studio"]
print(form.model_dump_json())
"""
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    form = json.loads(ended.stdout.splitlines()[-1])
    assert list(form["extra_fields"]) == [field.name for field in connection.FIELDS]
    assert form["extra_fields"]["auth_type"]["schema"]["enum"] == AUTH_TYPES
    assert form["extra_fields"]["iam_token"]["schema"]["format"] == "password"
    assert form["standard_fields"]["password"]["title"] == "API key"


def test_the_form_of_older_airflow_agrees_with_the_declaration_field_by_field():
    """The libraries it is made of come with Airflow 2 only; what they are given is what counts."""
    made = {}

    class Kind:
        def __init__(self, name):
            self.name = name

        def __call__(self, label, validators, description, widget):
            choices = next((one for one in validators if isinstance(one, list)), None)
            return {"kind": self.name, "label": label, "description": description, "choices": choices}

    fake = mock.MagicMock()
    for name in ("StringField", "IntegerField", "PasswordField"):
        setattr(fake, name, Kind(name))
    fake.validators.any_of = lambda choices: choices
    modules = {
        "wtforms": fake,
        "wtforms.validators": fake.validators,
        "flask_appbuilder": fake,
        "flask_appbuilder.fieldwidgets": fake,
    }
    with mock.patch.dict(sys.modules, modules):
        made = YandexAIStudioHook.get_connection_form_widgets()

    declared = connection.conn_fields()
    assert list(made) == list(declared)
    for name, field in declared.items():
        schema = field["schema"]
        kinds = {"integer": "IntegerField"} | ({"string": "PasswordField"} if "format" in schema else {})
        assert made[name] == {
            "kind": kinds.get(schema["type"][0], "StringField"),
            "label": field["label"],
            "description": field["description"],
            "choices": schema.get("enum"),
        }
    assert YandexAIStudioHook.get_ui_field_behaviour() == {
        "hidden_fields": ["schema", "login"],
        "relabeling": {"host": "Base URL", "password": "API key", "port": "Port"},
        "placeholders": dict(connection.UI_FIELD_BEHAVIOUR["placeholders"]),
    }


def command(*arguments, **environment):
    """Run an Airflow command and return what it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "300", **environment},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_command_line_lists_the_provider_and_its_hook():
    listed = json.loads(command("providers", "list", "--output", "json").splitlines()[-1])
    assert [one["version"] for one in listed if one["package_name"] == DISTRIBUTION] == [__version__]
    hooks = json.loads(command("providers", "hooks", "--output", "json").splitlines()[-1])
    (hook,) = [one for one in hooks if one["connection_type"] == "yandex_ai_studio"]
    assert hook["package_name"] == DISTRIBUTION
    assert hook["conn_id_attribute_name"] == "yandex_ai_studio_conn_id"


@pytest.mark.usefixtures("_database")
def test_the_command_line_tests_a_connection(yandex_ai_studio):
    said = command("connections", "test", "yandex_ai_studio_default", AIRFLOW__CORE__TEST_CONNECTION="Enabled")
    assert "Connection success!" in said
    assert [request.operation for request in yandex_ai_studio.requests] == ["getConversation"]
