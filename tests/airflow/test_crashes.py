"""
A task that ends at any line of ours: killed without a word, or cut off by an exception that may come at any moment.

Every line of the package that a try runs through is tried once. What counts is what the next try makes of it.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import airflow
import pytest

import airflow_provider_yandex_conv
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
from airflow_provider_yandex_conv.operators.items import YandexAddConversationItemsOperator
from airflow_provider_yandex_conv.operators.responses import YandexCreateResponseOperator

if tuple(int(part) for part in airflow.__version__.split(".")[:2]) < (3, 3):
    pytest.skip("Airflow has the task state store from 3.3 on", allow_module_level=True)

PACKAGE = str(Path(airflow_provider_yandex_conv.__file__).parent)
SERVER = str(Path(PACKAGE) / "emulator")
ENDED = 9


class Cut(BaseException):
    """What Airflow raises in the middle of anything when a task's time is up."""


@contextmanager
def at_each_line(act):
    """Call ``act`` before each line of the package, as often as it is run."""

    def trace(frame, event, _):
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or name.startswith(SERVER):
            return None
        if event == "line":
            act(f"{Path(name).relative_to(PACKAGE)}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def stop_at(line, act):
    def reach(place):
        if place == line:
            act()

    return reach


def kill():
    os._exit(ENDED)


def cut():
    sys.settrace(None)
    raise Cut


def end_at(line, act, work):
    """
    Do the work in a process that ends at a line by an act; return whether it came so far.

    A process for the exception too: raised by a tracer, it may leave the interpreter at a point where none is raised.
    """
    child = os.fork()
    if child == 0:
        try:
            with at_each_line(stop_at(line, act)):
                work()
        except (Cut, AirflowFailException):
            os._exit(ENDED)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == ENDED


def lines_of(work):
    """Return the lines that the work runs through, each once, in order."""
    seen = {}
    with at_each_line(seen.setdefault):
        work()
    return list(seen)


def wait_until_answered(emulator):
    """Wait until the server has done all that it was asked, by clients that have gone as well."""
    deadline = time.monotonic() + 10
    while any(one.status is None for one in emulator.requests):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize(("on_ambiguous", "act"), [("recreate", kill), ("recreate", cut), ("fail", kill)])
def test_a_create_that_ends_at_any_line_leaves_nothing_unsaid(
    emulator, context, store, tmp_path, logged, act, on_ambiguous
):
    context |= {"task_state_store": store}
    context["ti"].max_tries = 2

    def work():
        return YandexCreateConversationOperator(task_id="create", on_ambiguous=on_ambiguous).execute(context)

    def afresh():
        emulator.reset()
        (tmp_path / "store.json").unlink(missing_ok=True)
        logged(anew=True)

    work()
    afresh()
    lines = lines_of(work)
    assert len(lines) > 200
    ended = outcomes = 0
    for line in lines:
        afresh()
        ended += end_at(line, act, work)
        logged(anew=True)
        conversation_id = error = None
        try:
            conversation_id = work()
        except AirflowFailException as refusal:
            assert on_ambiguous == "fail", line
            error = refusal
        wait_until_answered(emulator)
        made = [one["id"] for one in emulator.conversations]
        assert error or conversation_id in made, line
        extra = [one for one in made if one != conversation_id]
        assert len(extra) <= 1, line
        if extra or error:
            outcomes += 1
            warnings = [one for one in logged().splitlines() if "may have left a conversation behind" in one]
            assert warnings, line
            sent = [one for one in emulator.requests if one.operation == "createConversation"]
            # None where the end came between the note and the request.
            assert not sent or any(sent[0].headers["x-client-request-id"] in one for one in warnings), line
    assert ended >= len(lines) - 5  # some lines run only now and then, such as those of an import
    assert outcomes > 0


@pytest.mark.parametrize("act", [kill, cut])
def test_an_add_that_ends_at_any_line_stores_each_item_once(emulator, context, store, tmp_path, act):
    context |= {"task_state_store": store}
    context["ti"].max_tries = 2
    texts = [str(number) for number in range(25)]
    items = [{"role": "user", "content": text} for text in texts]

    def afresh():
        emulator.reset()
        (tmp_path / "store.json").unlink(missing_ok=True)
        return YandexAIStudioHook().create_conversation().id

    def work_on(conversation_id):
        # Short, as a retry waits so long for a request that may still be at work.
        operator = YandexAddConversationItemsOperator(
            task_id="add", conversation_id=conversation_id, items=items, timeout_connect=0.1, timeout_read=0.1
        )
        return lambda: operator.execute(context)

    work_on(afresh())()
    lines = lines_of(work_on(afresh()))
    ended = 0
    for line in lines:
        conversation_id = afresh()
        ended += end_at(line, act, work_on(conversation_id))
        ids = work_on(conversation_id)()
        stored = emulator.conversations[0]["items"]
        assert [item["content"][0]["text"] for item in stored] == texts, line
        assert ids == [item["id"] for item in stored], line
    assert ended >= len(lines) - 5


@pytest.mark.parametrize(("on_ambiguous", "act"), [("recover", kill), ("recover", cut), ("fail", kill)])
def test_a_question_that_ends_at_any_line_is_paid_once(emulator, context, store, tmp_path, act, on_ambiguous):
    context |= {"task_state_store": store}
    context["ti"].max_tries = 2

    def afresh():
        emulator.reset()
        emulator.answer("Forty-two", times=None)
        (tmp_path / "store.json").unlink(missing_ok=True)
        return YandexAIStudioHook().create_conversation().id

    def work_on(conversation_id):
        operator = YandexCreateResponseOperator(
            task_id="ask",
            conversation_id=conversation_id,
            input="The answer?",
            model="gpt://b1g/yandexgpt",
            on_ambiguous=on_ambiguous,
            timeout=0.1,  # short, as that long is looked for an answer
            timeout_read=5,
            poll_interval=0.02,
        )
        return lambda: operator.execute(context)

    work_on(afresh())()
    lines = lines_of(work_on(afresh()))
    assert len(lines) > 200
    answered = unknown = ended = 0
    for line in lines:
        conversation_id = afresh()
        ended += end_at(line, act, work_on(conversation_id))
        wait_until_answered(emulator)
        paid = len(emulator.responses)
        try:
            assert work_on(conversation_id)() == "Forty-two", line
            answered += 1
            paid = 1
        except (AmbiguousOutcomeError, AirflowFailException) as error:
            assert "an earlier try of this task ended before it could note an answer" in str(error), line
            assert on_ambiguous == "fail" or paid == 0, line
            unknown += 1
        assert len(emulator.responses) == paid, line
    assert ended >= len(lines) - 5
    assert answered > unknown > 0
