"""Items, from the hook to what the server stores: each exactly once, in order, under every fault."""

from __future__ import annotations

import json

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from fault_table import FINAL, LOST, REFUSED

FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)
ADD = "createConversationItems"


@pytest.fixture
def hook(emulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", emulator.connection(timeout_read=0.5))
    return YandexAIStudioHook(request_retry=FAST)


@pytest.fixture
def conversation_id(hook):
    # With time enough: on a busy machine the short timeout of the hook may cut off a create, which is not sent again.
    return YandexAIStudioHook(timeout_read=30).create_conversation(items=said("before")).id


def said(*texts):
    return [{"role": "user", "content": text} for text in texts]


def texts(emulator):
    (conversation,) = emulator.conversations
    return [item["content"][0]["text"] for item in conversation["items"]]


def adds(emulator):
    return [request for request in emulator.requests if request.operation == ADD]


def test_items_of_every_kind_are_added_read_and_deleted(emulator, hook, conversation_id):
    added = hook.add_items(
        conversation_id,
        [
            {"role": "user", "content": "Hello"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
            {"type": "function_call_output", "call_id": "c1", "output": "{}"},
            {"type": "brand_new", "deep": {"x": [1]}},
        ],
    )
    assert [item.type for item in added] == ["message", "message", "function_call_output", "brand_new"]
    assert [(item.role, item.text) for item in added[:3]] == [("user", "Hello"), ("assistant", "Hi"), (None, "")]
    assert added[3].raw["deep"] == {"x": [1]}
    (copied,) = hook.add_items(conversation_id, [{"type": "item_reference", "id": added[0].id}])
    assert copied.text == "Hello"

    assert hook.get_item(conversation_id, added[1].id) == added[1]
    assert [item.id for item in hook.list_items(conversation_id)][1:] == [item.id for item in [*added, copied]]
    assert hook.delete_item(conversation_id, added[1].id) is True
    with pytest.raises(errors.NotFoundError):
        hook.get_item(conversation_id, added[1].id)
    with pytest.raises(errors.NotFoundError):
        hook.delete_item(conversation_id, added[1].id)
    assert hook.delete_item(conversation_id, added[1].id, ignore_missing=True) is False


def test_more_than_twenty_go_in_several_requests_in_order(emulator, hook, conversation_id):
    wanted = [f"t{n}" for n in range(45)]
    added = hook.add_items(conversation_id, said(*wanted))
    assert [item.text for item in added] == wanted
    assert texts(emulator) == ["before", *wanted]
    assert [len(request.body["items"]) for request in adds(emulator)] == [20, 20, 5]


def test_nothing_is_sent_for_nothing(emulator, hook):
    assert hook.add_items("c1", []) == []
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([*said(*"x" * 44), "no"], "items[44] must be an object, got str"),
        ([*said("x"), {"content": {1, 2}}], "items[1] cannot be written as JSON"),
        ("x", "items must be a list of objects, got str"),
        ({"role": "user"}, "items must be a list of objects, got dict"),
    ],
)
def test_all_of_it_is_checked_before_any_of_it_is_sent(emulator, hook, items, text):
    with pytest.raises(errors.ConfigurationError) as raised:
        hook.add_items("c1", items)
    assert text in str(raised.value)
    assert emulator.requests == []


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", {**REFUSED, **LOST}.values(), ids={**REFUSED, **LOST})
def test_items_are_stored_once_whatever_becomes_of_the_answer(emulator, hook, conversation_id, fault, applied):
    refused = fault.get("status") == 429
    emulator.fail(ADD, applied=applied and not refused, **fault)
    added = hook.add_items(conversation_id, said("a", "b"))
    assert texts(emulator) == ["before", "a", "b"]
    assert [item.id for item in added] == [item["id"] for item in emulator.conversations[0]["items"][1:]]


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_equal_items_said_again_on_purpose_are_not_swallowed(emulator, hook, conversation_id, applied):
    emulator.fail(ADD, drop="reset", applied=applied)
    assert len(hook.add_items(conversation_id, said("before", "before"))) == 2
    assert texts(emulator) == ["before", "before", "before"]


def test_a_server_that_is_still_at_work_is_given_its_time(emulator, hook, conversation_id):
    """The answer is not there in time, and neither are the items when they are looked for first."""
    emulator.fail(ADD, work=0.8)
    hook.add_items(conversation_id, said("a"))
    assert texts(emulator) == ["before", "a"]
    assert len(adds(emulator)) == 1


@pytest.mark.parametrize("fault", [{"drop": "reset"}, {"drop": "close"}, {"status": 504}, {"status": 408}])
def test_a_server_that_stores_after_its_answer_was_lost_is_given_its_time(emulator, hook, conversation_id, fault):
    """What stands in between has given up, the server has not."""
    emulator.fail(ADD, late=0.3, **fault)
    hook.add_items(conversation_id, said("a", "b"))
    assert texts(emulator) == ["before", "a", "b"]
    assert len(adds(emulator)) == 1


def test_a_server_that_has_stored_a_part_so_far_is_given_its_time(emulator, hook, conversation_id, monkeypatch):
    emulator.fail(ADD, keep=1, delay=0.8)
    looks = []

    def goes_on(seconds):
        looks.append(seconds)
        if len(looks) == 2:  # after the first look
            YandexAIStudioHook().add_items(conversation_id, said("b", "c"), on_ambiguous="fail")

    monkeypatch.setattr(hook.get_conn(), "pause", goes_on)
    assert [item.text for item in hook.add_items(conversation_id, said("a", "b", "c"))] == ["a", "b", "c"]
    assert len(looks) == 2
    assert texts(emulator) == ["before", "a", "b", "c"]


def test_what_a_server_stored_of_a_batch_is_not_sent_again(emulator, hook, conversation_id):
    emulator.fail(ADD, status=503, applied=True, keep=2)
    added = hook.add_items(conversation_id, said("a", "b", "c"))
    assert texts(emulator) == ["before", "a", "b", "c"]
    assert [item.text for item in added] == ["a", "b", "c"]
    assert [len(request.body["items"]) for request in adds(emulator)] == [3, 1]


def test_an_answer_that_lists_too_few_items_is_checked_against_what_is_stored(emulator, hook, conversation_id):
    emulator.fail(ADD, keep=1)
    added = hook.add_items(conversation_id, said("a", "b", "c"))
    assert texts(emulator) == ["before", "a", "b", "c"]
    assert [item.text for item in added] == ["a", "b", "c"]
    emulator.fail(ADD, body='{"object": "list", "data": [], "has_more": false}')
    with pytest.raises(errors.AmbiguousOutcomeError, match="the answer lists 0 of 1 items"):
        hook.add_items(conversation_id, said("d"), on_ambiguous="fail")


def test_a_failure_after_part_of_a_batch_says_what_was_stored(emulator, hook, conversation_id):
    emulator.fail(ADD, status=503, applied=True, keep=2)
    emulator.fail(ADD, status=400)
    with pytest.raises(errors.BadRequestError) as raised:
        hook.add_items(conversation_id, said("a", "b", "c"))
    assert texts(emulator) == ["before", "a", "b"]
    assert raised.value.stored_item_ids == tuple(item["id"] for item in emulator.conversations[0]["items"][1:])


def test_items_of_others_make_it_ambiguous(emulator, hook, conversation_id, monkeypatch):
    pause = hook.get_conn().pause

    def somebody_speaks(seconds):
        YandexAIStudioHook().add_items(conversation_id, said("somebody"))
        pause(seconds)

    monkeypatch.setattr(hook.get_conn(), "pause", somebody_speaks)
    emulator.fail(ADD, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError, match="1 items appeared in the conversation that are not those"):
        hook.add_items(conversation_id, said("a"))
    assert texts(emulator) == ["before", "somebody"]


def test_items_of_others_do_no_harm_where_all_of_ours_are_there(emulator, hook, conversation_id, monkeypatch):
    def somebody_speaks(seconds):
        YandexAIStudioHook().add_items(conversation_id, said("somebody"))

    monkeypatch.setattr(hook.get_conn(), "pause", somebody_speaks)
    emulator.fail(ADD, status=503, applied=True)
    assert [item.text for item in hook.add_items(conversation_id, said("a"))] == ["a"]
    assert texts(emulator) == ["before", "a", "somebody"]


def test_a_conversation_that_cannot_be_read_makes_it_ambiguous(emulator, hook, conversation_id):
    emulator.fail(ADD, status=503, applied=True)
    emulator.fail("listConversationItems", skip=1, status=403, times=None)
    with pytest.raises(errors.AmbiguousOutcomeError, match="and the conversation could not be read to see what was"):
        hook.add_items(conversation_id, said("a"))
    assert len(adds(emulator)) == 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 303}, {"drop": "reset"}])
def test_what_the_last_attempt_stored_is_looked_for_as_well(emulator, monkeypatch, conversation_id, fault):
    hook = YandexAIStudioHook(request_retry=RequestRetry(attempts=1))
    emulator.fail(ADD, applied=True, **fault)
    assert [item.text for item in hook.add_items(conversation_id, said("a", "b"))] == ["a", "b"]
    assert len(adds(emulator)) == 1
    emulator.fail(ADD, applied=True, keep=1, status=503)
    with pytest.raises(errors.AmbiguousOutcomeError, match=r"1 items were stored before.*Gave up after 1 of 1"):
        hook.add_items(conversation_id, said("c", "d"))
    assert texts(emulator) == ["before", "a", "b", "c"]


def test_a_server_that_stays_broken_ends_it(emulator, hook, conversation_id):
    emulator.fail(ADD, status=503, times=None)
    with pytest.raises(errors.AmbiguousOutcomeError, match="Gave up after 4 of 4 attempts"):
        hook.add_items(conversation_id, said("a"))
    assert len(adds(emulator)) == 4
    assert texts(emulator) == ["before"]


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_fail_sends_once_and_reads_nothing(emulator, hook, conversation_id, fault):
    emulator.fail(ADD, **fault)
    with pytest.raises(errors.AmbiguousOutcomeError):
        hook.add_items(conversation_id, said("a"), on_ambiguous="fail")
    assert [request.operation for request in emulator.requests][1:] == [ADD]


@pytest.mark.parametrize(("fault", "kind"), FINAL.values(), ids=FINAL)
def test_what_no_retry_can_mend_is_sent_once(emulator, hook, conversation_id, fault, kind):
    emulator.fail(ADD, **fault)
    with pytest.raises(errors.APIStatusError) as raised:
        hook.add_items(conversation_id, said("a"))
    expected = errors.UnsupportedEndpointError if kind is errors.NotFoundError else kind
    assert type(raised.value) is expected
    assert len(adds(emulator)) == 1
    assert texts(emulator) == ["before"]


@pytest.mark.parametrize("on_ambiguous", ["reconcile", "fail"])
def test_a_failure_in_the_middle_says_what_was_stored(emulator, hook, conversation_id, on_ambiguous):
    emulator.fail(ADD, status=400, skip=1, message="bad role")
    with pytest.raises(errors.BadRequestError) as raised:
        hook.add_items(conversation_id, said(*map(str, range(25))), on_ambiguous=on_ambiguous)
    stored = [item["id"] for item in emulator.conversations[0]["items"][1:]]
    assert len(stored) == 20
    assert raised.value.stored_item_ids == tuple(stored)
    assert f"20 items were stored before, the last of them {stored[-1]}" in str(raised.value)


def test_an_endpoint_that_vanishes_in_the_middle_says_what_was_stored(emulator, hook, conversation_id):
    emulator.fail(ADD, status=404, skip=1)
    with pytest.raises(errors.UnsupportedEndpointError) as raised:
        hook.add_items(conversation_id, said(*map(str, range(25))))
    stored = [item["id"] for item in emulator.conversations[0]["items"][1:]]
    assert raised.value.stored_item_ids == tuple(stored)
    assert "connection yandex_ai_studio_default" in str(raised.value)


def test_an_ambiguous_add_does_not_say_that_items_cannot_be_found(emulator, hook, conversation_id):
    emulator.fail(ADD, status=503, applied=True)
    with pytest.raises(errors.AmbiguousOutcomeError) as raised:
        hook.add_items(conversation_id, said("a"), on_ambiguous="fail")
    assert "cannot be found" not in str(raised.value)


def test_an_unknown_choice_is_refused(hook):
    with pytest.raises(errors.ConfigurationError, match="on_ambiguous must be 'reconcile' or 'fail', got 'recreate'"):
        hook.add_items("c1", said("a"), on_ambiguous="recreate")


class TestListing:
    @pytest.fixture
    def thread(self, hook):
        patient = YandexAIStudioHook(timeout_read=30)
        conversation_id = patient.create_conversation().id
        patient.add_items(conversation_id, said(*map(str, range(7))), on_ambiguous="fail")
        return conversation_id

    @staticmethod
    def listed(emulator):
        return [request.query for request in emulator.requests if request.operation == "listConversationItems"]

    def test_pages_both_ways(self, emulator, hook, thread):
        assert [item.text for item in hook.list_items(thread, page_size=3)] == list("0123456")
        assert [item.text for item in hook.list_items(thread, page_size=3, order="desc")] == list("6543210")
        assert [query["limit"] for query in self.listed(emulator)] == ["3"] * 6
        assert "after" not in self.listed(emulator)[0]

    def test_begins_after_an_item_and_ends_at_a_limit(self, emulator, hook, thread):
        third = list(hook.list_items(thread))[2].id
        assert [item.text for item in hook.list_items(thread, after=third)] == list("3456")
        assert [item.text for item in hook.list_items(thread, limit=4, page_size=3)] == list("0123")
        assert [item.text for item in hook.list_items(thread, limit=2)] == list("01")
        assert self.listed(emulator)[-1]["limit"] == "2"
        assert list(hook.list_items(thread, limit=0)) == []

    def test_reads_a_page_only_when_it_is_needed(self, emulator, hook, thread):
        items = hook.list_items(thread, page_size=3)
        assert self.listed(emulator) == []
        assert [next(items).text for _ in range(3)] == list("012")
        assert len(self.listed(emulator)) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            {"data": [{"id": "i1"}], "has_more": False, "last_id": "i1"},
            {"data": [], "has_more": True, "last_id": "i1"},
            {"data": [{"id": "i1"}], "has_more": True, "last_id": ""},
            {"data": [{"id": "i1"}], "has_more": True, "last_id": None},
            {"data": [{"id": "i1"}], "has_more": True},
        ],
    )
    def test_ends_where_a_server_gives_nothing_to_go_on_with(self, emulator, hook, answer):
        emulator.fail("listConversationItems", body=json.dumps({"object": "list", **answer}), times=None)
        assert len(list(hook.list_items("c1"))) == len(answer["data"])
        assert len(self.listed(emulator)) == 1

    def test_ends_where_a_server_turns_in_a_circle(self, emulator, hook):
        page = {"object": "list", "data": [{"id": "i1"}], "has_more": True, "last_id": "i1"}
        emulator.fail("listConversationItems", body=json.dumps(page), times=None)
        assert len(list(hook.list_items("c1"))) == 2
        assert len(self.listed(emulator)) == 2

    @pytest.mark.parametrize("bad", [{"page_size": 0}, {"page_size": 101}, {"page_size": True}, {"order": "up"}])
    def test_refuses_what_makes_no_sense_before_the_first_item(self, emulator, hook, bad):
        with pytest.raises(errors.ConfigurationError):
            hook.list_items("c1", **bad)
        assert emulator.requests == []

    @pytest.mark.parametrize("body", ['{"data": null}', '{"data": [1]}', '{"data": [{}]}', "{}"])
    def test_a_page_that_is_none_is_no_answer(self, emulator, hook, thread, body):
        emulator.fail("listConversationItems", body=body)
        assert len(list(hook.list_items(thread))) == 7


class TestUnsupported:
    """A server that lacks an endpoint may say so with 405, with 501, or with the same 404 as for a missing thing."""

    CALLS = {  # noqa: RUF012  # nobody changes it
        "updateConversation": lambda hook, conversation_id, item_id: hook.update_conversation(
            conversation_id, metadata={}
        ),
        "deleteConversation": lambda hook, conversation_id, item_id: hook.delete_conversation(
            conversation_id, ignore_missing=True
        ),
        "getConversationItem": lambda hook, conversation_id, item_id: hook.get_item(conversation_id, item_id),
        "deleteConversationItem": lambda hook, conversation_id, item_id: hook.delete_item(
            conversation_id, item_id, ignore_missing=True
        ),
        ADD: lambda hook, conversation_id, item_id: hook.add_items(conversation_id, said("x")),
    }

    @pytest.mark.parametrize("status", [404, 405, 501])
    @pytest.mark.parametrize("operation", CALLS)
    def test_is_told_from_missing(self, emulator, hook, conversation_id, operation, status):
        (item,) = hook.list_items(conversation_id)
        emulator.fail(operation, status=status, times=None)
        with pytest.raises(
            errors.UnsupportedEndpointError, match="This server does not offer the endpoint, which some"
        ):
            self.CALLS[operation](hook, conversation_id, item.id)
        assert texts(emulator) == ["before"]

    @pytest.mark.parametrize("operation", ["deleteConversation", "deleteConversationItem"])
    def test_a_lost_answer_before_it_is_not_taken_for_success(self, emulator, hook, conversation_id, operation):
        (item,) = hook.list_items(conversation_id)
        emulator.fail(operation, status=503)
        emulator.fail(operation, status=404, times=None)
        with pytest.raises(errors.UnsupportedEndpointError):
            self.CALLS[operation](hook, conversation_id, item.id)

    def test_a_404_stands_where_nothing_more_can_be_read(self, emulator, hook, conversation_id):
        emulator.fail("deleteConversation", status=404)
        emulator.fail("getConversation", status=403, times=None)
        with pytest.raises(errors.NotFoundError):
            hook.delete_conversation(conversation_id)
