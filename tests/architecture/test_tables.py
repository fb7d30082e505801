"""The tables in the README and the documentation are complete."""

from __future__ import annotations

import inspect
import re
import typing

import pytest

from airflow_provider_yandex_conv.hooks import connection
from airflow_provider_yandex_conv.hooks.credentials import AUTH_TYPES
from airflow_provider_yandex_conv.operators import bulk, conversations, items, responses
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator
from airflow_provider_yandex_conv.sensors import items as item_sensors
from airflow_provider_yandex_conv.sensors import responses as response_sensors
from documents import table


def test_the_connection_table_names_every_field():
    assert [row[0] for row in table("docs/connection.md", "Fields")] == [
        "host",
        "password",
        *(f"extra `{field.name}`" for field in connection.FIELDS),
    ]


@pytest.mark.parametrize(
    ("heading", "modules"),
    [("Operators", (conversations, items, responses, bulk)), ("Sensors", (item_sensors, response_sensors))],
)
def test_the_tables_name_every_operator_and_sensor_and_its_templated_arguments(heading, modules):
    kinds = {
        name: kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    }
    rows = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table("README.md", heading)}
    assert rows == {name: list(kind.template_fields[1:]) for name, kind in kinds.items()}


def test_the_retry_table_is_the_same_on_both_pages():
    heading = "Retries and duplicates"
    assert table("README.md", heading) == table("docs/how-to/retries.md", "What a retry does")


def test_the_table_of_credentials_names_every_way_to_authenticate():
    assert {row[0].strip("`") for row in table("docs/connection.md", "Credentials")} == set(AUTH_TYPES)


def test_every_choice_for_an_ambiguous_question_is_explained():
    hint = typing.get_type_hints(YandexCreateResponseOperator.__init__)["on_ambiguous"]
    choices = {choice for part in typing.get_args(hint) for choice in typing.get_args(part)}
    rows = table("docs/how-to/ask.md", "Ask: let a model answer")
    assert {re.match(r'`"(\w+)"`', row[0])[1] for row in rows} == choices
