"""The operators for items, from their arguments to what the server stores and what goes to XCom."""

from __future__ import annotations

import json

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv._compat import AirflowFailException
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexDeleteConversationOperator
from airflow_provider_yandex_conv.operators.items import (
    YandexAddConversationItemsOperator,
    YandexDeleteConversationItemOperator,
    YandexGetConversationItemOperator,
    YandexListConversationItemsOperator,
)

FAST = RequestRetry(attempts=3, wait_initial=0)
ADD = "createConversationItems"


def said(*texts):
    return [{"role": "user", "content": text} for text in texts]


def operate(kind, context, conversation_id, **arguments):
    return kind(task_id="t", conversation_id=conversation_id, request_retry=FAST, **arguments).execute(context)


@pytest.fixture
def conversation_id(emulator):
    return YandexAIStudioHook().create_conversation().id


def texts(emulator):
    (conversation,) = emulator.conversations
    return [item["content"][0]["text"] for item in conversation["items"]]


def test_adding_returns_the_ids_of_what_is_stored(emulator, context, conversation_id):
    ids = operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b"))
    assert ids == [item["id"] for item in emulator.conversations[0]["items"]]
    assert texts(emulator) == ["a", "b"]


def test_adding_reconciles_a_lost_answer(emulator, context, conversation_id):
    emulator.fail(ADD, drop="reset", applied=True)
    operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b"))
    assert texts(emulator) == ["a", "b"]


def test_adding_that_stays_ambiguous_fails_for_good(emulator, context, conversation_id):
    """A retry of the task would store the items again."""
    emulator.fail(ADD, status=503, applied=True)
    with pytest.raises(AirflowFailException, match="the outcome is unknown"):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a"), on_ambiguous="fail")
    assert texts(emulator) == ["a"]


def test_adding_that_fails_in_the_middle_fails_for_good(emulator, context, conversation_id):
    emulator.fail(ADD, skip=1, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(AirflowFailException, match="20 items were stored before, the last of them msg_"):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said(*map(str, range(30))))
    assert len(texts(emulator)) == 20


def test_adding_that_is_cut_off_fails_for_good(emulator, context, conversation_id, cut_off, logged):
    emulator.fail(ADD, delay=3)
    with pytest.raises(AirflowFailException, match="The task is not retried, as that may store items again"):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a"))
    assert texts(emulator) == ["a"]
    assert "add items: the request was cut off by Cut" in logged()


def test_adding_that_is_cut_off_between_its_requests_fails_for_good(
    emulator, context, conversation_id, cut_off, logged
):
    """What the first request stored would be stored again by a retry of the task."""
    emulator.fail(ADD, skip=1, status=429, headers={"Retry-After": "3"})
    retry = {"request_retry": RequestRetry()}
    with pytest.raises(AirflowFailException, match="20 items were stored before, the last of them msg_"):
        YandexAddConversationItemsOperator(
            task_id="t", conversation_id=conversation_id, items=said(*map(str, range(30))), **retry
        ).execute(context)
    assert len(texts(emulator)) == 20
    assert "add items: Cut came before all of them were sent" in logged()


@pytest.mark.parametrize("first", [0, 20])
def test_adding_that_is_cut_off_while_it_looks_for_what_was_stored_fails_for_good(
    emulator, context, conversation_id, cut_off, logged, first
):
    emulator.fail(ADD, skip=first // 20, drop="reset", applied=True)
    emulator.fail("listConversationItems", skip=1, delay=3)
    with pytest.raises(AirflowFailException, match="and Cut came before it was known what was stored") as raised:
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said(*map(str, range(first + 5))))
    assert len(texts(emulator)) == first + 5
    assert f"{first} items were stored before" in str(raised.value) or not first
    assert "Cut came before it was known what was stored" in logged()


def test_adding_that_is_cut_off_in_its_second_request_says_what_the_first_stored(
    emulator, context, conversation_id, cut_off
):
    emulator.fail(ADD, skip=1, delay=3)
    with pytest.raises(AirflowFailException, match="20 items were stored before, the last of them msg_"):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said(*map(str, range(30))))


def test_adding_that_is_cut_off_before_anything_was_stored_is_left_to_the_retries_of_the_task(
    emulator, context, conversation_id, cut_off
):
    emulator.fail(ADD, status=429, headers={"Retry-After": "3"})
    with pytest.raises(cut_off):
        YandexAddConversationItemsOperator(
            task_id="t", conversation_id=conversation_id, items=said("a"), request_retry=RequestRetry()
        ).execute(context)
    assert texts(emulator) == []


def test_adding_that_stored_nothing_is_left_to_the_retries_of_the_task(emulator, context, conversation_id):
    emulator.fail(ADD, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(errors.RateLimitError):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a"))
    assert texts(emulator) == []


def test_listing_is_bounded_and_fit_for_xcom(emulator, context, conversation_id):
    operate(YandexAddConversationItemsOperator, context, conversation_id, items=said(*"abcdefg"))
    stored = emulator.conversations[0]["items"]
    assert operate(YandexListConversationItemsOperator, context, conversation_id) == stored
    newest = operate(YandexListConversationItemsOperator, context, conversation_id, order="desc", max_items=2)
    assert newest == stored[:-3:-1]
    rest = operate(YandexListConversationItemsOperator, context, conversation_id, after=stored[4]["id"])
    assert rest == stored[5:]
    json.dumps(rest)


def test_an_item_is_read_and_deleted(emulator, context, conversation_id):
    item_id, _ = operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b"))
    got = operate(YandexGetConversationItemOperator, context, conversation_id, item_id=item_id)
    assert got == emulator.conversations[0]["items"][0]
    assert operate(YandexDeleteConversationItemOperator, context, conversation_id, item_id=item_id) is True
    assert texts(emulator) == ["b"]
    gone = {"item_id": item_id, "ignore_missing": True}
    assert operate(YandexDeleteConversationItemOperator, context, conversation_id, **gone) is False
    with pytest.raises(errors.NotFoundError):
        operate(YandexDeleteConversationItemOperator, context, conversation_id, item_id=item_id)


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        (YandexAddConversationItemsOperator, {"items": "[{}]"}, "items must be a list of objects, got str"),
        (YandexAddConversationItemsOperator, {"items": [{}] * 20 + ["x"]}, "items[20] must be an object, got str"),
        (YandexGetConversationItemOperator, {"item_id": ""}, "item_id is empty (0 characters)"),
        (YandexDeleteConversationItemOperator, {"item_id": ""}, "item_id is empty (0 characters)"),
    ],
)
def test_bad_input_is_refused_before_any_request(emulator, context, kind, arguments, text):
    with pytest.raises(AirflowFailException) as raised:
        operate(kind, context, "c1", **arguments)
    assert text in str(raised.value)
    assert emulator.requests == []


@pytest.mark.parametrize("kind", [YandexAddConversationItemsOperator, YandexListConversationItemsOperator])
def test_an_empty_conversation_id_is_refused_before_any_request(emulator, context, kind):
    arguments = {"items": said("a")} if kind is YandexAddConversationItemsOperator else {}
    with pytest.raises(AirflowFailException, match=r"conversation_id is empty \(0 characters\)"):
        operate(kind, context, "", **arguments)
    assert emulator.requests == []


@pytest.mark.parametrize(
    "build",
    [
        lambda: YandexAddConversationItemsOperator(task_id="t", conversation_id="c", items=[], on_ambiguous="recreate"),
        lambda: YandexListConversationItemsOperator(task_id="t", conversation_id="c", order="up"),
        lambda: YandexListConversationItemsOperator(task_id="t", conversation_id="c", max_items=0),
    ],
)
def test_literals_are_checked_when_the_dag_is_parsed(build):
    with pytest.raises(errors.ConfigurationError):
        build()


class TestDeletingWithItems:
    def test_leaves_no_item_at_the_vendor(self, emulator, context, conversation_id):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b"))
        assert operate(YandexDeleteConversationOperator, context, conversation_id, delete_items=True) is True
        assert emulator.conversations == []
        assert [one["items"] for one in emulator.deleted_conversations] == [[]]

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_says_when_it_cannot(self, emulator, context, conversation_id, status, logged):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b", "c"))
        emulator.fail("deleteConversationItem", skip=1, status=status, times=None)
        assert operate(YandexDeleteConversationOperator, context, conversation_id, delete_items=True) is True
        text = logged()
        assert f"2 items of conversation {conversation_id} stay at the vendor, and cannot be reached once it is" in text
        assert "This server does not offer the endpoint" in text
        assert [len(one["items"]) for one in emulator.deleted_conversations] == [2]

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_missing_endpoint_is_known_in_a_long_conversation(
        self, emulator, context, conversation_id, status, logged
    ):
        """The hook looks through the newest 1,000 items for one that it could not delete."""
        for _ in range(51):
            YandexAIStudioHook().add_items(conversation_id, said(*map(str, range(20))), on_ambiguous="fail")
        emulator.fail("deleteConversationItem", status=status, times=None)
        operate(YandexDeleteConversationOperator, context, conversation_id, delete_items=True)
        text = logged()
        assert f"1020 items of conversation {conversation_id} stay at the vendor" in text
        assert f"Deleted 0 of 1020 items of conversation {conversation_id}" in text

    def test_items_that_others_deleted_are_not_counted(self, emulator, context, conversation_id, logged):
        operate(YandexAddConversationItemsOperator, context, conversation_id, items=said("a", "b"))
        page = {"object": "list", "data": emulator.conversations[0]["items"], "has_more": False}
        emulator.fail("listConversationItems", body=json.dumps(page))
        YandexAIStudioHook().delete_item(conversation_id, page["data"][0]["id"])
        operate(YandexDeleteConversationOperator, context, conversation_id, delete_items=True)
        assert f"Deleted 1 of 2 items of conversation {conversation_id}" in logged()

    def test_a_missing_conversation_is_as_without_items(self, emulator, context):
        arguments = {"delete_items": True, "ignore_missing": True}
        assert operate(YandexDeleteConversationOperator, context, "gone", **arguments) is False
        with pytest.raises(errors.NotFoundError):
            operate(YandexDeleteConversationOperator, context, "gone", delete_items=True)
