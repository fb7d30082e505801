"""What a public method says: its effect, its arguments, its errors, and where the vendor documents it."""

from __future__ import annotations

import inspect
import re

import pytest

from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators import bulk, conversations, items

METHODS = {
    name: method
    for name, method in inspect.getmembers(YandexAIStudioHook, inspect.isfunction)
    if not name.startswith("_") and method.__module__.startswith("airflow_provider_yandex_conv.")
}
ENDPOINTS = [
    name for name in METHODS if re.search(r"conversation|item|response", name) and not name.startswith("get_conn")
]
OPERATORS = [
    kind
    for module in (bulk, conversations, items)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__
]


def documented(text):
    return set(re.findall(r":param (\w+):", text))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_the_hook_says_what_it_does(name):
    assert re.match(r"\s*[A-Z].*\.$", METHODS[name].__doc__.strip().splitlines()[0])


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if "connection" not in name])
def test_a_method_for_an_endpoint_says_shape_source_arguments_and_errors(name):
    text = METHODS[name].__doc__
    assert re.search(r"``(GET|POST|DELETE) /(conversations|responses)", text)
    assert re.search(r"Source: https://yandex\.cloud/en/docs/ai-studio/(conversations|responses)/\w", text)
    assert ":raises YandexAIStudioError:" in text
    arguments = set(inspect.signature(METHODS[name]).parameters) - {"self"}
    evident = {"conversation_id", "item_id", "response_id"}
    assert arguments - evident <= documented(text) <= arguments


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_an_operator_says_its_xcom_arguments_and_errors(kind):
    own = set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}
    assert own < documented(kind.__doc__)
    assert "XCom: the return value is" in kind.__doc__
    for name in kind.template_fields:
        assert re.search(rf":param {name}:((?!:param).)*\(templated\)", kind.__doc__, re.DOTALL), name
    assert ":raises AirflowFailException:" in kind.execute.__doc__
    assert ":raises YandexAIStudioError:" in kind.execute.__doc__
