"""Recognising in a conversation the answer to an input."""

from __future__ import annotations

import pytest

from airflow_provider_yandex_conv.api.answers import answers_to, as_items
from airflow_provider_yandex_conv.api.models import Item


def said(role, text, **fields):
    kind = "output_text" if role == "assistant" else "input_text"
    raw = {"id": f"msg_{role}_{text}", "type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return Item.from_wire({"status": "completed", **raw, **fields})


def other(kind, **fields):
    return Item.from_wire({"id": f"{kind}_1", "type": kind, **fields})


QUESTION = as_items("How much?")
ASKED, ANSWERED = said("user", "How much?"), said("assistant", "Seven.")


def texts(stored, sent=QUESTION):
    return [answer.text for answer in answers_to(sent, stored)]


@pytest.mark.parametrize(
    "stored",
    [
        [],
        [ASKED],
        [ANSWERED],
        [said("user", "How many?"), ANSWERED],
        [ASKED, said("assistant", "Sev", status="in_progress")],
        [ASKED, other("reasoning")],
        [ASKED, other("web_search_call", status="completed")],
        [ASKED, said("user", "Anybody?"), ANSWERED],
        [said("developer", "How much?"), ANSWERED],
    ],
)
def test_there_is_none_where_the_input_has_no_whole_answer(stored):
    assert texts(stored) == []


@pytest.mark.parametrize("before", [[], [said("user", "Hello!"), said("assistant", "Hello.")]])
@pytest.mark.parametrize("between", [[], [other("reasoning")], [other("web_search_call", status="completed")]])
@pytest.mark.parametrize("after", [[], [said("user", "Thanks.")], [said("user", "Thanks."), said("assistant", "No.")]])
def test_it_is_found_among_what_others_say(before, between, after):
    (answer,) = answers_to(QUESTION, [*before, ASKED, *between, ANSWERED, *after])
    assert answer.items == (*between, ANSWERED)
    assert answer.text == "Seven."


def test_the_call_of_a_function_is_an_answer():
    call = other("function_call", name="price", arguments="{}", call_id="c1")
    (answer,) = answers_to(QUESTION, [ASKED, call])
    assert answer.items == (call,)
    assert answer.text == ""
    sent = [{"type": "function_call_output", "call_id": "c1", "output": "7"}]
    result = other("function_call_output", call_id="c1", output="7")
    assert texts([ASKED, call, result, ANSWERED], sent) == ["Seven."]


def test_two_of_the_same_are_both_told():
    assert texts([ASKED, ANSWERED, ASKED, said("assistant", "Eight.")]) == ["Seven.", "Eight."]


def test_an_input_of_several_items_is_one():
    sent = [{"role": "developer", "content": "Be short."}, *QUESTION]
    assert texts([said("developer", "Be short."), ASKED, ANSWERED], sent) == ["Seven."]
    assert texts([ASKED, ANSWERED], sent) == []


def test_without_input_the_answer_is_what_comes_first():
    assert texts([ANSWERED, said("user", "Thanks."), said("assistant", "No.")], as_items(None)) == ["Seven."]
    assert texts([said("user", "Thanks."), said("assistant", "No.")], as_items(None)) == []
