"""Conversations that mean harm, or are huge."""

from __future__ import annotations

import gc
import re
import time
from contextlib import contextmanager

import pytest

from airflow_provider_yandex_conv.api.models import Conversation, Item, ItemPage
from airflow_provider_yandex_conv.ui import thread
from airflow_provider_yandex_conv.ui.items import Reader
from api_server import Page, message

SCRIPTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](/api/v2/connections)",
    "[x](//evil.example/)",
    "[x](#top)",
    "[x](file:anything)",
    "[x](https://good.example@evil.example/)",
    "[x](https://evil.example\\@good.example/)",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "[![x](https://evil.example/pixel.png)](https://evil.example/)",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "[r]\n\n[r]: javascript:alert(1)",
    '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
    "`</code><script>alert(1)</script>`",
    "</div></li></ol><script>alert(1)</script>",
    "<!--",
    "<style>*{display:none}</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><input name=password></form>",
    "{{ 7 * 7 }}{% raw %}",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "\x00\x01\x08\x1b[31m",
    "**[`*_<[[![",
]
#: What a page may be made of. Nothing here loads, runs, frames or sends anything.
ELEMENTS = """
    html head meta title script link body main header h1 h2 h3 p code bdi button dl dt dd span time details summary
    table caption thead tbody tr th td nav a ol ul li b div pre em strong s blockquote hr br
"""
ATTRIBUTES = """
    lang charset name content src rel href class id type data-copies hidden datetime scope dir target
    data-role data-alone
"""


def check(page):
    """Check that nothing of a page can do harm, whatever a conversation holds."""
    assert {tag for tag, _ in page.elements} <= set(ELEMENTS.split())
    assert {name for _, attrs in page.elements for name in attrs} <= set(ATTRIBUTES.split())
    (script,), (sheet,) = page.of("script"), page.of("link")
    for address in (script["src"], sheet["href"]):
        assert address.startswith("/yandex-ai-studio/static/page.")
    for attrs in page.of("a"):
        address = attrs["href"]
        if not address.startswith(("?", "#end", "/dags/conversing/runs/manual__")):
            assert address.startswith(("http://", "https://", "mailto:"))
            assert "@" not in address.split("/")[2] if "//" in address else True
            assert attrs["rel"] == "noopener noreferrer nofollow"
            assert attrs["target"] == "_blank"


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_a_model_wrote_does_nothing(text, say):
    check(say(message(text), {"role": "user", "content": text}))


@pytest.mark.parametrize("text", SCRIPTS)
def test_whatever_else_an_item_holds_does_nothing(text, say):
    page = say(
        {"type": text, text: text, "name": text, "status": text, "arguments": text, "output": {text: [text]}},
        message("x", role=text, status=text, created_at=text),
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": text},
                {"type": "input_image", "image_url": {"url": text}, "file_id": text},
                {"type": "input_file", "filename": text, "file_url": text, "file_data": text},
                {"type": "output_text", "text": text, "annotations": [{"type": text, "url": text, "title": text}]},
                {"type": "refusal", "refusal": text},
                {"type": text, text: text},
            ],
        },
    )
    check(page)


@pytest.mark.parametrize("text", SCRIPTS)
def test_metadata_does_nothing(text, read, talk, monkeypatch):
    monkeypatch.setattr(talk, "metadata", {text: text})
    page = Page(read().text)
    check(page)
    assert re.sub(r"[\x00\x01\x08\x1b]", "\ufffd", text) in page.text


def test_half_a_character_is_no_fault(read, talk, monkeypatch):
    """JSON can hold it, and UTF-8 cannot."""
    item = Item.from_wire({"id": "msg_\ud800", "role": "user", "content": "half \ud800 a character"})
    found = Conversation(id=talk.id, object="conversation", metadata={"\udc00": "\udfff"}, created_at=1)
    monkeypatch.setattr(thread, "_fetch", lambda *_: (found, ItemPage(items=(item,), has_more=True, last_id=item.id)))
    answer = read()
    assert answer.status_code == 200
    assert "half ? a character" in answer.text


def test_links_say_where_they_lead(say):
    page = say(message("[Your bank](https://evil.example/login) <https://plain.example/> [mail](mailto:a@b.example)"))
    assert "Your bank (evil.example)" in page.text
    assert "(plain.example)" not in page.text
    assert "mail (a@b.example)" in page.text


def test_images_are_links_and_nothing_is_loaded(say):
    page = say(
        message("![a cat](https://pictures.example/cat.png)"),
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://pictures.example/dog.png"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
    )
    assert page.of("img") == []
    assert [attrs["href"] for attrs in page.of("a") if "pictures" in attrs["href"]] == [
        "https://pictures.example/cat.png",
        "https://pictures.example/dog.png",
    ]
    assert "not shown" in page.text


def test_every_text_finds_its_own_direction(say):
    right_to_left = "שלום \u202eexe.cod.txt 👩‍👩‍👧‍👦 مرحبا"
    page = say(
        message(f"{right_to_left}\n\n- {right_to_left}\n\n> {right_to_left}"), {"type": "call", "x": right_to_left}
    )
    assert page.text.count("שלום") == 4
    assert "👩‍👩‍👧‍👦" in page.text
    for tag in ("p", "li", "blockquote", "pre"):
        assert any(attrs.get("dir") == "auto" for attrs in page.of(tag)), tag


@contextmanager
def less_than_a_second():
    """Bound the CPU, without that of looking for garbage among all that the tests before have left in this process."""
    gc.collect()
    gc.freeze()
    try:
        began = time.process_time()
        yield
        assert time.process_time() - began < 1
    finally:
        gc.unfreeze()


def test_ten_thousand_items_cost_no_more_than_a_page(say, read, talk, served):
    say(*(message(f"**{number}** " + "word " * 200) for number in range(10_000)))
    with less_than_a_second():
        assert read().status_code == 200


HUGE = {
    "text": "word " * 40_000,
    "one line": "x" * 200_000,
    "brackets": "[" * 200_000,
    "pictures": "![[]()" * 40_000,
    "stars": "*a_" * 60_000,
    "quotes": ">" * 200_000,
    "ticks": "`a" * 100_000,
    "links": "[a](http://b.example) " * 10_000,
    "table": "|a" * 1000 + "\n" + "|-" * 1000 + "\n" + ("|b" * 1000 + "\n") * 100,
    "narrow table": "|a" * 500 + "\n" + "|-" * 500 + "\n" + "b\n" * 50_000,
    "lists": "".join("  " * depth + "- a\n" for depth in range(450)),
    "entities": "&amp;" * 40_000,
    "html": "<a <a <!--" * 20_000,
}


@pytest.mark.parametrize("what", HUGE)
def test_a_page_of_huge_items_costs_no_more(what, say, read):
    page = say(*[message(HUGE[what])] * 30)
    assert "There is more of this text than is shown here" in page.text
    with less_than_a_second():
        assert len(read().content) < 4_000_000


def test_one_item_of_ten_million_characters_is_cut(say, read):
    page = say(message("word " * 2_000_000), {"type": "function_call_output", "output": [{"x": "y"}] * 1_000_000})
    assert page.text.count("There is more of this text than is shown here") == 2
    assert len(page.text) < 100_000


def test_an_item_of_many_parts_is_cut(say):
    page = say(
        {"role": "user", "content": [{"type": "tomorrow"}] * 10_000},
        {"type": "call", **{f"key {number}": number for number in range(10_000)}},
    )
    assert len(page.of("details")) == 1 + 100 + 1
    assert len(page.text) < 50_000


def test_what_is_nested_deeply_is_shown_as_far_as_it_goes(say):
    page = say({"type": "call", "arguments": "[" * 5_000 + "]" * 5_000, "output": '{"a":' * 400 + "1" + "}" * 400})
    assert "call" in page.text


def test_a_name_that_is_no_text_is_shown_as_far_as_it_goes():
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    raws = (
        {"type": "call", "name": nested},
        {"type": "message", "content": [{"type": nested}, {"type": "input_file", "filename": nested}]},
        {"type": "message", "content": [{"type": "text", "text": "", "annotations": [{"url": "x", "title": nested}]}]},
    )
    for entry in Reader().entries([Item.from_wire({"id": "item_1", **raw}) for raw in raws]):
        assert "[ [ [" in str(entry)
        assert len(str(entry)) < 50_000


def test_an_id_of_an_item_is_cut(say):
    assert len(say({**message("short"), "id": "m" * 1_000_000}).text) < 10_000
