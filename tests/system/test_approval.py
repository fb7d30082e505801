"""A person between a draft and the conversation: what is approved is added, what is rejected is not."""

from __future__ import annotations

import pytest
from conditions import wait_until


@pytest.mark.parametrize("choice", ["Approve", "Reject"])
def test_only_an_approved_answer_is_added(airflow, emulator, choice):
    emulator.answer("They arrive on Friday.")
    run = airflow.trigger("approve_the_answer")
    asked = wait_until(lambda: run.question("approve"), "a person is asked")
    assert asked["body"] == "Where are the lamps that I ordered?\n\n---\n\nThey arrive on Friday."
    (conversation,) = emulator.conversations
    # Airflow takes a task for lost that is answered before the scheduler has heard of its pause. When the scheduler has
    # brought another run to its end, it has.
    assert airflow.trigger("creating").wait() == "success"

    run.choose("approve", choice)
    assert run.wait() == "success"
    added = [("assistant", "They arrive on Friday.")] if choice == "Approve" else []
    assert turns(emulator, conversation["id"]) == [
        ("developer", "You answer the customers of a shop."),
        ("user", "Where are the lamps that I ordered?"),
        *added,
    ]
    assert ("answer", -1, "success" if added else "skipped") in run.states()
    assert len(emulator.responses) == 1


def turns(emulator, conversation_id):
    (stored,) = [one for one in emulator.conversations if one["id"] == conversation_id]
    return [(item["role"], item["content"][0]["text"]) for item in stored["items"]]
