"""
What each call does under each fault: how many requests reach the server, and what is stored there afterwards.

The emulator plays a fault once, then behaves. So a call that is repeated succeeds at the second request.
"""

from __future__ import annotations

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from call_table import AT_FIRST, CREATING, REPEATABLE, build, count_of_things, new_thread, stored
from fault_table import FINAL, LOST, NO_FAULT, REFUSED


def named(emulator, operation):
    return [request for request in emulator.requests if request.operation == operation]


@pytest.fixture
def thread(emulator, make_client):
    return new_thread(emulator, make_client(timeout_read=30))  # a busy machine is no fault of this table


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED)
def test_a_create_that_was_refused_is_sent_again_and_creates_one(emulator, client, fault):
    emulator.fail("createConversation", **fault)
    created = client.send(conversations.create())
    assert [request.status for request in emulator.requests] == [429, 200]
    assert [conversation["id"] for conversation in emulator.conversations] == [created.id]


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_create_whose_answer_is_lost_is_sent_once_and_ambiguous(emulator, client, fault, applied):
    emulator.fail("createConversation", applied=applied, **fault)
    with pytest.raises(errors.AmbiguousOutcomeError) as raised:
        client.send(conversations.create(metadata={"a": "b"}))
    (request,) = emulator.requests
    assert raised.value.client_request_ids == (request.headers["x-client-request-id"],)
    assert request.headers["x-client-request-id"] in str(raised.value)
    answered = {"delay", "truncate", "trickle"} & set(fault)  # the real answer, spoilt on its way
    assert stored(emulator).metadata == ([{"a": "b"}] if applied or answered else [])


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_create_that_may_be_repeated_tells_of_the_lost_attempt_first(emulator, client, fault, applied):
    emulator.fail("createConversation", applied=applied, **fault)
    lost = []
    created = client.send(conversations.create(), on_lost=lost.append)
    first, second = emulator.requests
    assert [one.client_request_ids for one in lost] == [(first.headers["x-client-request-id"],)]
    assert first.headers["x-client-request-id"] != second.headers["x-client-request-id"]
    assert emulator.conversations[-1]["id"] == created.id


def test_a_create_that_stays_ambiguous_ends_with_all_lost_attempts_named(emulator, client):
    emulator.fail("createConversation", status=503, applied=True, times=None)
    with pytest.raises(errors.AmbiguousOutcomeError) as raised:
        client.send(conversations.create(), on_lost=lambda lost: None)
    sent = tuple(request.headers["x-client-request-id"] for request in emulator.requests)
    assert len(sent) == 4
    assert raised.value.client_request_ids == sent
    assert "Gave up after 4 of 4 attempts" in str(raised.value)


@pytest.mark.parametrize(("fault", "kind"), FINAL.values(), ids=FINAL)
def test_a_create_that_no_retry_can_mend_is_sent_once(emulator, client, fault, kind):
    emulator.fail("createConversation", **fault)
    with pytest.raises(errors.APIStatusError) as raised:
        client.send(conversations.create(), on_lost=lambda lost: None)
    assert type(raised.value) is kind
    assert raised.value.applied is False
    assert len(emulator.requests) == 1
    assert emulator.conversations == []


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("operation", CREATING)
def test_a_creating_call_that_was_refused_is_stored_once(emulator, client, thread, operation, fault):
    build, adds = CREATING[operation]
    before = count_of_things(emulator)
    emulator.reset_requests()
    emulator.fail(operation, **fault)
    client.send(build(thread))
    assert count_of_things(emulator) == before + adds
    assert [request.status for request in named(emulator, operation)] == [429, 200]


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("operation", CREATING)
def test_no_creating_call_is_ever_stored_twice(emulator, client, thread, operation, fault, applied):
    build, adds = CREATING[operation]
    before = count_of_things(emulator)
    emulator.reset_requests()
    emulator.fail(operation, applied=applied, **fault)
    with pytest.raises(errors.AmbiguousOutcomeError):
        client.send(build(thread))
    assert len(named(emulator, operation)) == 1
    answered = {"delay", "truncate", "trickle"} & set(fault)  # the real answer, spoilt on its way
    assert count_of_things(emulator) == before + (adds if applied or answered else 0)


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(operation, fault, id=f"{operation}-{name}")
        for operation in REPEATABLE
        for name, fault in {**REFUSED, **LOST}.items()
        if name not in NO_FAULT.get(operation, ())
    ],
)
def test_a_call_that_may_be_repeated_succeeds_in_the_end(emulator, client, thread, operation, fault, applied):
    build, then = REPEATABLE[operation]
    emulator.reset_requests()
    refused = fault.get("status") == 429
    emulator.fail(operation, applied=applied and not refused, **fault)
    client.send(build(thread))
    assert len(named(emulator, operation)) == 2
    assert stored(emulator) == then


@pytest.mark.parametrize(
    ("operation", "fault"), [(operation, name) for operation, names in NO_FAULT.items() for name in sorted(names)]
)
def test_a_call_whose_answer_needs_no_body_is_sent_once(emulator, client, thread, operation, fault):
    build, then = REPEATABLE[operation]
    emulator.fail(operation, applied=True, **LOST[fault])
    client.send(build(thread))
    assert len(named(emulator, operation)) == 1
    assert stored(emulator) == then


@pytest.mark.parametrize(("fault", "kind"), FINAL.values(), ids=FINAL)
@pytest.mark.parametrize("operation", [*REPEATABLE, *CREATING])
def test_no_call_is_repeated_where_that_is_useless(emulator, client, thread, operation, fault, kind):
    emulator.reset_requests()
    emulator.fail(operation, **fault)
    with pytest.raises(kind):
        client.send(build(operation, thread))
    assert len(named(emulator, operation)) == 1
    assert stored(emulator) == AT_FIRST


def test_a_delete_of_what_was_never_there_is_not_found(emulator, client):
    emulator.fail("deleteConversation", status=429, headers={"Retry-After": "0"})
    with pytest.raises(errors.NotFoundError):
        client.send(conversations.delete("c1"))
    assert len(emulator.requests) == 2


def test_a_redirect_is_not_followed_anywhere(emulator, client):
    emulator.fail(
        "createConversation", status=307, headers={"Location": f"{emulator.base_url}/conversations"}, times=None
    )
    with pytest.raises(errors.APIStatusError, match="redirects are not followed"):
        client.send(conversations.create())
    assert len(emulator.requests) == 1


def test_the_wait_that_the_server_asks_for_is_kept(emulator, client):
    emulator.fail("createConversation", status=429, headers={"Retry-After": "0.4"})
    client.send(conversations.create())
    first, second = emulator.requests
    assert second.received_at - first.received_at >= 0.4


def test_one_line_per_retry_names_attempt_status_ids_and_delay_but_no_body(emulator, client, caplog):
    emulator.fail("getConversation", status=503, message="hush")
    created = client.send(conversations.create(metadata={"k": "hush"}))
    caplog.clear()
    caplog.set_level("INFO")
    client.send(conversations.get(created.id))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "client"]
    request = emulator.requests[1]
    assert line.startswith(
        "get conversation: attempt 1 of 4 failed: InternalServerError, HTTP 503, "
        f"x-client-request-id {request.headers['x-client-request-id']}, x-request-id "
    )
    assert "x-server-trace-id" in line
    assert "the next one follows in 0.0" in line
    assert "hush" not in line


def test_a_line_before_each_create_names_it_in_case_the_process_is_killed(emulator, client, caplog):
    caplog.set_level("INFO")
    client.send(conversations.create())
    sent = emulator.requests[0].headers["x-client-request-id"]
    assert f"create conversation: attempt 1 of 4, x-client-request-id {sent}" in caplog.messages
