from __future__ import annotations

import pytest

from airflow_provider_yandex_conv.api.matching import is_stored_as, stored_prefix
from airflow_provider_yandex_conv.api.models import Item


def message(text, role="user", **more):
    part = {"type": "output_text", "annotations": []} if role == "assistant" else {"type": "input_text"}
    return {"role": role, "content": [{**part, "text": text}], "type": "message", "status": "completed", **more}


def stored(raw, item_id="i1"):
    return Item.from_wire({**raw, "id": item_id})


@pytest.mark.parametrize(
    ("sent", "kept", "same"),
    [
        ({"role": "user", "content": "a"}, message("a"), True),
        ({"role": "user", "content": "a"}, message("b"), False),
        ({"role": "user", "content": "a"}, message("a", "system"), False),
        ({"role": "assistant", "content": "a"}, message("a", "assistant"), True),
        ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}, message("a"), True),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}] * 2}, message("a"), False),
        ({"role": "user", "content": []}, message("a"), False),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
            message("") | {"content": [{"type": "input_image", "image_url": "u", "detail": "auto"}]},
            True,
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
            message("") | {"content": [{"type": "input_file", "image_url": "u"}]},
            False,
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"type": "function_call_output", "call_id": "c", "output": "1", "status": "completed"},
            True,
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"type": "function_call_output", "call_id": "c", "output": "2"},
            False,
        ),
        ({"type": "new", "deep": {"a": [1, {"b": 2}]}}, {"type": "new", "deep": {"a": [1, {"b": 2, "c": 3}]}}, True),
        ({"type": "new", "deep": {"a": [1]}}, {"type": "new", "deep": {"a": [1, 2]}}, False),
        ({"type": "new", "x": None}, {"type": "new"}, True),
        ({"type": "new", "id": "mine"}, {"type": "new"}, True),
        ({"type": "new"}, {"type": "old"}, False),
        ({"type": "item_reference", "id": "x"}, message("whatever"), True),
    ],
)
def test_what_was_sent_is_looked_for_in_what_is_stored(sent, kept, same):
    assert is_stored_as(sent, stored(kept)) is same


def test_the_stored_ones_are_the_first_of_those_sent_and_others_are_told_apart():
    sent = [{"role": "user", "content": text} for text in "aab"]
    kept = [stored(message(text), text + str(place)) for place, text in enumerate("axa")]
    found, foreign = stored_prefix(sent, kept)
    assert ([one.id for one in found], [one.id for one in foreign]) == (["a0", "a2"], ["x1"])
    assert stored_prefix(sent, []) == ([], [])
    assert stored_prefix([], kept) == ([], kept)
