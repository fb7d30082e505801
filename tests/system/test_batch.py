"""A task that creates many conversations, killed at any moment: none is missing, and what it left is known by name."""

from __future__ import annotations

import random
import re
import time

import pytest
from conditions import wait_until

from installation import held_process
from processes import kill_hard

CREATE = "createConversation"
COUNT = 200
CONCURRENCY = 5


@pytest.mark.parametrize("seed", range(20))
def test_a_batch_that_is_killed_at_any_moment_is_completed(airflow, emulator, report, seed):
    emulator.fail("getConversation", hold="before")
    emulator.fail(CREATE, work=0.01, times=None)
    run = airflow.trigger("creating_many")
    task, _ = held_process(emulator)
    emulator.release()
    moment = random.Random(seed).randrange(COUNT)
    wait_until(lambda: len(creates(emulator)) >= moment, f"{moment} requests were sent")
    kill_hard(task)
    began = time.monotonic()
    assert run.wait() == "success"
    report("s from the kill of a batch to the run's success", time.monotonic() - began)
    ids = run.xcom("create")
    existing = {one["id"]: int(one["metadata"]["n"]) for one in emulator.conversations}
    assert [existing[one] for one in ids] == list(range(COUNT)), moment
    extras = [number for one, number in existing.items() if one not in ids]
    report("conversations that a kill left behind", len(extras))
    named = dict(
        re.findall(r"conversations\[(\d+)\]: an attempt may have left .*?x-client-request-id ([\w-]+)", run.log())
    )
    assert set(extras) <= set(map(int, named)), moment
    assert len(named) <= CONCURRENCY, moment
    sent = {one.headers["x-client-request-id"]: int(one.body["metadata"]["n"]) for one in creates(emulator)}
    assert all(sent.get(request_id, int(number)) == int(number) for number, request_id in named.items())


def creates(emulator):
    return [one for one in emulator.requests if one.operation == CREATE]
