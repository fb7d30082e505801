"""What the page of a conversation shows."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest

import api_server
from airflow_provider_yandex_conv.ui import plugin, thread
from api_server import Page, message


def test_a_thread_is_shown_with_all_there_is_to_know(read, talk, run):
    page = Page(read("ask").text)
    assert run("conversing").state == "success"
    assert talk.id in page.text
    assert "Lamp 29?" in page.text
    assert "How many lamps are left?" in page.text
    assert {attrs.get("data-role") for attrs in page.of("li")} >= {"user", "assistant"}
    assert run("conversing").xcom("ask", "response_id") in page.text
    assert "completed" in page.text
    usage = run("conversing").xcom("ask", "usage")["1"]
    assert str(usage["total_tokens"]) in page.text
    assert len(page.of("time")) >= 1


def test_metadata_is_text(read):
    page = Page(read().text)
    assert "<b>lamps</b>" in page.text
    assert "conversing" in page.text


@pytest.mark.parametrize("task_id", ["create", "add", "ask"])
def test_every_task_shows_the_conversation_it_worked_on(task_id, read, talk):
    assert talk.id in Page(read(task_id).text).text


def test_the_page_leads_back_to_the_task(server, run):
    outcome = run("conversing_mapped")
    for index, end in ((-1, "/tasks/create"), (2, "/tasks/create/mapped/2")):
        dag_run = run("conversing") if index < 0 else outcome
        (link,) = [
            attrs
            for attrs in Page(server.get(api_server.path(dag_run, "create", index)).text).of("a")
            if "data-alone" in attrs
        ]
        assert link["href"].startswith(f"/dags/{dag_run.dag_id}/runs/manual__")
        assert link["href"].endswith(end)


@pytest.mark.parametrize("task_id", ["create", "add", "ask"])
def test_runs_of_long_ago_are_shown_as_well(task_id, read, talk, run, forget):
    forget(run("conversing"), task_id)
    assert talk.id in Page(read(task_id).text).text


def test_mapped_runs_of_long_ago_are_shown_as_well(server, run, forget):
    outcome = run("conversing_mapped")
    forget(outcome, "create")
    for index in range(3):
        page = Page(server.get(api_server.path(outcome, "create", index)).text)
        assert outcome.xcom("create", map_index=index) in page.text


def test_a_connection_may_be_a_template_as_long_as_airflow_knows_what_it_became(server, run, forget):
    outcome = run("conversing_and_failing")
    address = api_server.path(outcome, "ask")
    assert outcome.xcom("create") in server.get(address).text
    forget(outcome, "ask")
    assert "Airflow does not know any more how to read it" in server.get(address).text


def test_the_pages_are_imported_outside_of_the_event_loop(monkeypatch):
    loaded_in = []

    async def app(scope, receive, send):
        pass

    monkeypatch.setattr(plugin, "_load_app", lambda: loaded_in.append(threading.current_thread()) or app)

    async def ask_twice():
        pages = plugin.LazyApp()
        await pages({}, None, None)
        await pages({}, None, None)

    asyncio.run(ask_twice())
    assert len(loaded_in) == 1
    assert loaded_in[0] is not threading.current_thread()


def test_older_pages_can_be_turned_to(read, talk):
    newest = Page(read().text)
    (older,) = [attrs["href"] for attrs in newest.of("a") if attrs.get("rel") == "prev"]
    before = Page(read(query=older).text)
    shown = [set(re.findall(r"\bmsg_\w+", page.text)) for page in (newest, before)]
    assert len(shown[0]) == thread.PAGE_SIZE
    assert not shown[0] & shown[1]
    assert shown[0] | shown[1] == {item["id"] for item in talk.items}
    assert not [attrs for attrs in before.of("a") if attrs.get("rel") == "prev"]


def test_items_stand_in_the_order_in_which_they_were_said(say):
    page = say(*(message(f"number {number}") for number in range(5)))
    assert re.findall(r"number (\d)", page.text) == ["0", "1", "2", "3", "4"]


def test_calls_of_tools_are_folded(say):
    page = say(
        {
            "type": "function_call",
            "name": "count_lamps",
            "call_id": "call_1",
            "arguments": '{"shop": "Тверская", "deep": {"a": [1]}}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "seven"},
        {"type": "a_type_of_tomorrow", "what": {"it": "holds"}},
    )
    assert len(page.of("details")) == 1 + 3
    assert all("open" not in attrs for attrs in page.of("details"))
    assert "function_call count_lamps" in page.text
    assert '"shop": "Тверская"' in page.text
    assert "seven" in page.text
    assert '"it": "holds"' in page.text


def test_markdown_is_laid_out(say):
    page = say(message("# Stock\n\n- **seven** lamps\n\n| a | b |\n|--|:-:|\n| 1 | 2 |\n\n```python\nprint(1)\n```"))
    assert page.of("strong")
    assert page.of("td")[1] == {"dir": "auto", "class": "center"}
    assert not [attrs for _, attrs in page.elements if "style" in attrs]


def test_a_message_in_any_shape_is_shown(say):
    page = say(
        {"role": "user", "content": "plain"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not"}]},
        {"role": "assistant", "content": [{"type": "tomorrow", "x": 1}, "bare", 7, None]},
        {"role": None, "content": None},
        {"content": {"not": "a list"}},
        {"role": "user", "content": [{"type": "input_file", "file_id": "file-1", "file_data": "A" * 30}]},
        {"role": "user", "content": [{"type": "input_image", "file_id": "file-2"}], "status": "in_progress"},
    )
    for expected in ("plain", "I will not", "refused", '"x": 1', "bare", "file-1", "30 characters", "in_progress"):
        assert expected in page.text


def test_times_are_told_where_the_server_tells_them(say):
    page = say(
        message("now", created_at=1_700_000_000), message("then", created_at=10**30), message("?", created_at="x")
    )
    assert "2023-11-14 22:13:20 UTC" in page.text
