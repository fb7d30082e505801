from __future__ import annotations

import json
from functools import partial

import pytest

from airflow_provider_yandex_conv.api import responses
from airflow_provider_yandex_conv.api.response_models import ModelResponse, ResponseDeleted, Usage, status_from_response
from airflow_provider_yandex_conv.api.response_options import _KINDS, UNSUPPORTED, ResponseOptions
from airflow_provider_yandex_conv.api.wire import Request, Response, Safety
from airflow_provider_yandex_conv.exceptions import ConfigurationError, InvalidResponseError, NotFoundError

create = partial(responses.create, model="gpt://b1g/yandexgpt")


def answer(body, status=200, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers, body=raw, received_at=0.0)


def read(**body):
    return responses.get("r1").parse(answer({"id": "r1", **body}))


def message(*parts):
    return {"id": "m1", "type": "message", "role": "assistant", "content": list(parts)}


def said(text):
    return {"type": "output_text", "text": text}


@pytest.mark.parametrize(
    ("call", "request_", "safety"),
    [
        (
            create("Hello", conversation_id="c1", temperature=0.5, background=True),
            Request(
                "POST",
                "responses",
                {
                    "model": "gpt://b1g/yandexgpt",
                    "input": "Hello",
                    "conversation": "c1",
                    "temperature": 0.5,
                    "background": True,
                },
            ),
            Safety.CREATES,
        ),
        (responses.get("r/1"), Request("GET", "responses/r%2F1"), Safety.REPEATABLE),
        (responses.cancel("r1"), Request("POST", "responses/r1/cancel"), Safety.REPEATABLE),
        (responses.delete("r1"), Request("DELETE", "responses/r1"), Safety.REPEATABLE),
        (
            responses.input_items("r1", after="i1", limit=5),
            Request("GET", "responses/r1/input_items", query={"order": "asc", "limit": "5", "after": "i1"}),
            Safety.REPEATABLE,
        ),
    ],
)
def test_a_call_says_what_to_send_and_whether_it_may_be_sent_twice(call, request_, safety):
    assert (call.request, call.safety) == (request_, safety)


@pytest.mark.parametrize(
    ("model", "folder_id", "uri"),
    [
        ("yandexgpt", "b1g", "gpt://b1g/yandexgpt"),
        ("yandexgpt/rc", "b1g", "gpt://b1g/yandexgpt/rc"),
        ("gpt://other/yandexgpt/latest", "b1g", "gpt://other/yandexgpt/latest"),
        ("gpt://other/yandexgpt", None, "gpt://other/yandexgpt"),
    ],
)
def test_the_name_of_a_model_becomes_a_uri_in_the_folder(model, folder_id, uri):
    assert responses.create("x", model=model, folder_id=folder_id).request.body["model"] == uri


def test_an_agent_may_stand_for_the_model_or_beside_it():
    prompt = {"id": "fvt1", "variables": {"name": "Ann"}}
    assert responses.create("x", prompt=prompt).request.body == {"input": "x", "prompt": prompt}
    body = responses.create("x", prompt=prompt, model="fvt1", folder_id="b1g").request.body
    assert (body["model"], body["prompt"]) == ("gpt://b1g/fvt1", prompt)


def test_what_is_none_is_not_sent():
    options = dict.fromkeys(ResponseOptions.__annotations__)
    assert create(conversation_id=None, **options).request.body == {"model": "gpt://b1g/yandexgpt"}


def test_items_are_sent_as_they_are_however_many():
    items = [{"role": "user", "content": str(n)} for n in range(25)]
    assert create(tuple(items)).request.body["input"] == items


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (partial(responses.create, "x"), "a response needs a model, or a saved agent as prompt={'id': ...}"),
        (partial(responses.create, "x", model=""), "model must be a name such as 'yandexgpt' or a URI, got ''"),
        (partial(responses.create, "x", model=7), "model must be a name such as 'yandexgpt' or a URI, got 7"),
        (
            partial(responses.create, "x", model="yandexgpt"),
            "model 'yandexgpt' needs a folder to become gpt://<folder_id>/yandexgpt; set the extra folder_id of the "
            "connection, or give the whole URI",
        ),
        (
            partial(create, " "),
            "input is empty (1 characters); check the task that should have set it, or leave it out",
        ),
        (partial(create, {"role": "user"}), "input must be a string or a list of objects, got dict"),
        (partial(create, 7), "input must be a string or a list of objects, got int"),
        (partial(create, ["x"]), "input[0] must be an object, got str"),
        (partial(create, [{"x": {1, 2}}]), "input[0] cannot be written as JSON"),
        (partial(create, "x", conversation_id=""), "conversation_id is empty"),
        (partial(create, "x", conversation_id=7), "conversation_id must be a string, got int"),
        (partial(create, "x", previous_response_id=""), "previous_response_id is empty"),
        (
            partial(create, "x", conversation_id="c1", previous_response_id="r1"),
            "previous_response_id cannot be used with conversation_id; leave one of them out",
        ),
        (partial(create, "x", conversation="c1"), "it is called conversation_id"),
        (partial(create, "x", prompt={}), "prompt['id'] must be a string, got NoneType"),
        (partial(create, "x", prompt="fvt1"), "prompt must be an object, got str"),
        (partial(create, "x", tools="[]"), "tools must be a list of objects, got str"),
        (partial(create, "x", tools=["look"]), "tools[0] must be an object, got str"),
        (partial(create, "x", text="json"), "text must be an object, got str"),
        (partial(create, "x", text={"format": {1, 2}}), "text cannot be written as JSON"),
        (partial(create, "x", background="True"), "background must be true or false, got str"),
        (partial(create, "x", max_output_tokens=True), "max_output_tokens must be a whole number, got bool"),
        (partial(create, "x", max_output_tokens=0), "max_output_tokens must be at least 1, got 0"),
        (partial(create, "x", temperature="0.5"), "temperature must be a number, got str"),
        (
            partial(create, "x", temperature=1.5),
            "temperature must be from 0 to 1, got 1.5; change it, or send it all the same with allow_unsupported=True",
        ),
        (partial(create, "x", temperature=float("nan")), "temperature must be from 0 to 1, got nan"),
        (
            partial(create, "x", metadata={"a": "b"}),
            "the vendor does not support metadata of a response; put it on the conversation, or send it all the same "
            "with allow_unsupported=True",
        ),
        (
            partial(create, "x", reasoning={"effort": "low"}),
            "the vendor does not support reasoning of a response; leave it out, or send it all the same with "
            "allow_unsupported=True",
        ),
        (partial(create, "x", temprature=1), "'temprature' is no field of a response that is known here"),
        (partial(create, "x", stream=True, allow_unsupported=True), "stream=True is not offered"),
        (partial(create, "x", allow_unsupported=True, brand_new={1, 2}), "brand_new cannot be written as JSON"),
        (partial(responses.get, ""), "response_id is empty"),
        (partial(responses.cancel, None), "response_id must be a string, got NoneType"),
        (partial(responses.delete, " "), "response_id is empty"),
        (partial(responses.input_items, "r1", limit=101), "the size of a page must be from 1 to 100, got 101"),
        (partial(responses.input_items, "r1", order="up"), "order must be 'asc' or 'desc', got 'up'"),
    ],
)
def test_what_cannot_be_sent_is_refused(build, text):
    with pytest.raises(ConfigurationError) as raised:
        build()
    assert text in str(raised.value)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_vendor_does_not_support_is_sent_only_where_that_is_allowed(name):
    with pytest.raises(ConfigurationError, match=f"the vendor does not support {name} of a response"):
        create("x", **{name: "y"})
    assert create("x", allow_unsupported=True, **{name: "y"}).request.body[name] == "y"


def test_what_another_server_knows_can_be_sent():
    body = create("x", allow_unsupported=True, temperature=1.5, brand_new=1).request.body
    assert (body["temperature"], body["brand_new"]) == (1.5, 1)


def test_every_option_is_either_checked_or_unsupported():
    assert set(ResponseOptions.__annotations__) == {*_KINDS, *UNSUPPORTED}
    assert not {*_KINDS} & {*UNSUPPORTED}


FULL = {
    "id": "r1",
    "object": "response",
    "created_at": 5,
    "status": "completed",
    "model": "gpt://b1g/yandexgpt",
    "conversation": {"id": "c1"},
    "error": None,
    "incomplete_details": None,
    "output": [
        {"id": "s1", "type": "reasoning", "summary": []},
        message(said("One, "), said("two")),
        message(said(", three")),
    ],
    "usage": {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 15,
    },
    "new": 1,
}


def test_a_response_is_read_whole():
    response = responses.create("x", model="gpt://b1g/m").parse(answer(FULL, **{"x-request-id": "q1"}))
    assert (response.id, response.status, response.is_terminal) == ("r1", "completed", True)
    assert (response.output_text, response.refusal) == ("One, two, three", None)
    assert [item.type for item in response.output] == ["reasoning", "message", "message"]
    assert response.request_id == "q1"
    assert response.raw == FULL
    assert response.as_dict() == {
        "id": "r1",
        "status": "completed",
        "model": "gpt://b1g/yandexgpt",
        "conversation_id": "c1",
        "created_at": 5,
        "usage": {
            "input_tokens": 12,
            "output_tokens": 3,
            "total_tokens": 15,
            "cached_tokens": 4,
            "reasoning_tokens": 1,
        },
    }


def test_a_response_that_failed_is_read_like_any_other():
    response = read(status="failed", error={"code": "server_error", "message": "Oops"}, usage=None)
    assert (response.error_code, response.error_message) == ("server_error", "Oops")
    assert (response.is_terminal, response.output_text, response.usage) == (True, "", None)


@pytest.mark.parametrize(
    ("status", "is_terminal"),
    [
        ("queued", False),
        ("in_progress", False),
        ("completed", True),
        ("failed", True),
        ("incomplete", True),
        ("cancelled", True),
        ("pondering", False),
    ],
)
def test_a_status_that_is_not_known_may_still_change(status, is_terminal):
    assert read(status=status).is_terminal is is_terminal


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"status": None, "output": None, "usage": None, "error": None, "incomplete_details": None},
        {"status": 7, "output": "x", "usage": [], "error": [], "incomplete_details": "x", "conversation": []},
        {"output": ["x", {}, {"content": "x"}, {"type": "message", "content": [7, {"type": "output_text"}]}]},
    ],
    ids=str,
)
def test_an_id_is_kept_whatever_else_is_missing_or_odd(odd):
    response = read(**odd)
    assert (response.id, response.status, response.output_text, response.usage) == ("r1", "unknown", "", None)
    assert response.conversation_id is None


def test_a_time_may_have_a_fraction():
    """The vendor documents a number."""
    assert read(created_at=5.75).created_at == 5


def test_a_conversation_and_an_error_may_be_plain_texts():
    response = read(conversation="c1", error="Oops")
    assert (response.conversation_id, response.error_message, response.error_code) == ("c1", "Oops", None)


@pytest.mark.parametrize("parse", [responses.get("r1").parse, status_from_response])
@pytest.mark.parametrize("body", [{}, {"id": ""}, [], b"", b"{", {"error": {"message": "no"}}])
def test_a_success_without_an_id_breaks_the_contract(body, parse):
    with pytest.raises(InvalidResponseError) as raised:
        parse(answer(body))
    assert raised.value.applied is None


@pytest.mark.parametrize("parse", [responses.get("r1").parse, status_from_response])
def test_an_answer_that_is_no_success_is_the_error_that_it_says(parse):
    with pytest.raises(NotFoundError):
        parse(answer({"id": "r1", "status": "completed"}, status=404))


@pytest.mark.parametrize("status", ["queued", "completed", "brand_new", None, 7, ""])
def test_the_status_alone_is_that_of_the_whole(status):
    body = answer({"id": "r1", "status": status})
    assert status_from_response(body) == responses.get("r1").parse(body).status


def test_a_refusal_is_told_from_a_text():
    response = read(output=[message({"type": "refusal", "refusal": "I cannot"}), message(said("but"))])
    assert (response.refusal, response.output_text) == ("I cannot", "but")


def test_usages_add_up():
    one = Usage.from_wire({"input_tokens": 2, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 1}})
    assert one == Usage(input_tokens=2, output_tokens=3, total_tokens=5, cached_tokens=1)
    assert (one + one).as_dict() == {
        "input_tokens": 4,
        "output_tokens": 6,
        "total_tokens": 10,
        "cached_tokens": 2,
        "reasoning_tokens": 0,
    }
    assert Usage.from_wire({"input_tokens": None, "output_tokens": True}) == Usage()


@pytest.mark.parametrize("body", [b"", b" ", {}, {"id": "r1", "deleted": True}, {"id": "r1", "object": "response"}])
def test_a_delete_needs_no_body(body):
    assert responses.delete("r1").parse(answer(body)) == ResponseDeleted()


@pytest.mark.parametrize("body", [{"deleted": False}, {"error": {"message": "no"}}, b"{", b"<html>", [1]])
def test_a_delete_that_says_something_else_breaks_the_contract(body):
    with pytest.raises(InvalidResponseError):
        responses.delete("r1").parse(answer(body))


def test_a_response_compares_by_what_it_says():
    assert read(status="queued") == ModelResponse(id="r1", status="queued")
