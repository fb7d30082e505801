from __future__ import annotations

from datetime import date

import pytest

from airflow_provider_yandex_conv.api.limits import check_items, check_metadata
from airflow_provider_yandex_conv.exceptions import ConfigurationError


def test_what_the_limits_allow_passes():
    check_metadata({"k" * 64 if n == 0 else f"k{n}": "v" * 512 for n in range(16)})
    check_metadata({})
    check_items([{"role": "user", "content": "x"}] * 20)


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({f"k{n}": "v" for n in range(17)}, "metadata has 17 pairs, at most 16 are allowed; remove some"),
        ({"k" * 65: "v"}, f"metadata key '{'k' * 65}' has 65 characters, at most 64 are allowed; shorten it"),
        ({"k" * 5000: "v"}, f"metadata key '{'k' * 80}' has 5000 characters"),
        ({"key": "v" * 513}, "the value of metadata key 'key' has 513 characters, at most 512 are allowed; shorten it"),
        ({"key": 7}, "the value of metadata key 'key' must be a string, got int; convert it with str()"),
        ({"key": None}, "the value of metadata key 'key' must be a string, got NoneType"),
        ({7: "v"}, "metadata key 7 must be a string, got int"),
        ("{'a': 'b'}", "metadata must be a mapping of strings to strings, got str"),
    ],
)
def test_metadata_beyond_a_limit_is_refused_by_name_and_length(metadata, text):
    with pytest.raises(ConfigurationError) as raised:
        check_metadata(metadata)
    assert text in str(raised.value)


def test_a_refusal_never_shows_a_value():
    with pytest.raises(ConfigurationError) as raised:
        check_metadata({"key": "hush" * 200})
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{}] * 21, "items has 21 entries, at most 20 are allowed in one call; split the list"),
        (["hello"], "items[0] must be an object, got str"),
        ([{}, {"content": date(2026, 1, 1)}], "items[1] cannot be written as JSON: Object of type date"),
        ([{"content": float("nan")}], "items[0] cannot be written as JSON"),
        ({"role": "user"}, "items must be a list of objects, got dict"),
        ("hello", "items must be a list of objects, got str"),
    ],
)
def test_items_that_cannot_be_sent_are_refused_by_place(items, text):
    with pytest.raises(ConfigurationError) as raised:
        check_items(items)
    assert text in str(raised.value)
