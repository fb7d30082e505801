from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.decode import decode_object, retry_after_seconds
from airflow_provider_yandex_conv.api.wire import Response

RPC_STATUS = {
    "code": 16,
    "message": "Token is invalid or has expired.",
    "details": [{"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r-in-body"}],
}


def answer(status, body=b"", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=raw,
        received_at=1_000_000_000.0,  # Sun, 09 Sep 2001 01:46:40 GMT
    )


def error_of(response):
    with pytest.raises(errors.APIStatusError) as raised:
        decode_object(response)
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, errors.APIStatusError),
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (402, errors.APIStatusError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.UnsupportedEndpointError),
        (409, errors.ConflictError),
        (422, errors.UnprocessableEntityError),
        (429, errors.RateLimitError),
        (500, errors.InternalServerError),
        (501, errors.UnsupportedEndpointError),
        (502, errors.InternalServerError),
        (503, errors.InternalServerError),
        (504, errors.InternalServerError),
        (599, errors.InternalServerError),
    ],
)
def test_a_status_becomes_its_error(status, kind):
    error = error_of(answer(status))
    assert (type(error), error.status) == (kind, status)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "bad model", "type": "t", "param": None, "code": "c7"}}, "bad model", "c7"),
        (RPC_STATUS, "Token is invalid or has expired.", "16"),
        (
            {"error": {"grpcCode": 8, "httpCode": 429, "message": "quota", "httpStatus": "x", "details": []}},
            "quota",
            "8",
        ),
        ({"code": "not_found", "message": "gone", "param": None, "type": "t"}, "gone", "not_found"),
        ({"error": "plain words"}, "plain words", None),
        ("a bare string", "a bare string", None),
        (
            b"<html><head><title>502\n Bad &amp; Gateway</title></head></html>",
            "an HTML page titled '502 Bad & Gateway'",
            None,
        ),
        (b"<!DOCTYPE html><p>no title", "an HTML page", None),
        (b"", "an empty body", None),
        (b" \n", "an empty body", None),
        (b"upstream gone", "13 bytes that are not the documented JSON: 'upstream gone'", None),
        ([], "2 bytes that are not the documented JSON: '[]'", None),
        ({"error": {"message": None}}, "28 bytes that are not the documented JSON", None),
        (b"\xff\xfe", "2 bytes that are not the documented JSON", None),
    ],
    ids=[
        "openai",
        "rpc",
        "grpc",
        "flat",
        "string",
        "bare",
        "html",
        "doctype",
        "empty",
        "blank",
        "text",
        "list",
        "null",
        "binary",
    ],
)
def test_every_shape_of_error_body_gives_its_message_and_code(body, message, code):
    error = error_of(answer(500, body))
    assert error.message.startswith(f"HTTP 500 Internal Server Error: {message}")
    assert error.code == code


def test_the_text_of_a_400_is_kept_word_by_word():
    text = "Specified folder ID 'a' does not match with service account folder ID 'b'"
    assert text in str(error_of(answer(400, {"code": 3, "message": text})))


def test_request_ids_come_from_headers_and_else_from_the_body():
    both = error_of(answer(401, RPC_STATUS, x_request_id="r", x_server_trace_id="t"))
    assert (both.request_id, both.server_trace_id) == ("r", "t")
    assert error_of(answer(401, RPC_STATUS)).request_id == "r-in-body"


def test_a_long_body_is_cut():
    error = error_of(answer(500, {"message": "x" * 100_000}))
    assert len(error.body) == 2048
    assert len(str(error)) < 3000


def test_a_redirect_says_where_to_without_its_query():
    error = error_of(answer(307, location="https://user:pw@other.example/v2/x?token=hush#f"))
    assert "this one points to other.example/v2/x; check the host of the connection" in str(error)
    assert "hush" not in str(error)
    assert "pw" not in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "-4"}, 0.0),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": ""}, None),
        ({"retry_after_ms": "250"}, 0.25),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        ({"retry_after_ms": "x", "retry_after": "9"}, 9.0),
        ({"retry_after": "Sun, 09 Sep 2001 01:46:50 GMT"}, 10.0),
        ({"retry_after": "Sun, 09 Sep 2001 01:46:30 GMT"}, 0.0),
        ({"retry_after": "Sun, 09 Sep 2001 02:46:50 GMT", "date": "Sun, 09 Sep 2001 02:46:45 GMT"}, 5.0),
        ({"retry_after": "Sun, 09 Sep 2001 01:46:50 GMT", "date": "nonsense"}, 10.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert retry_after_seconds(answer(429, **headers)) == seconds
    assert error_of(answer(429, **headers)).retry_after == seconds


def test_a_success_is_a_json_object():
    assert decode_object(answer(200, {"id": "x"})) == {"id": "x"}


@given(
    status=st.integers(200, 599), body=st.binary(max_size=200), location=st.text(max_size=30), wait=st.text(max_size=30)
)
def test_no_answer_whatever_breaks_the_decoder(status, body, location, wait):
    try:
        decode_object(answer(status, body, location=location, retry_after=wait, date=wait))
    except errors.YandexAIStudioError as error:
        assert str(error)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "details", "requestId", "grpcCode"]), inner)
    ),
    max_leaves=8,
)


@given(status=st.integers(200, 599), body=_JSON)
def test_no_json_whatever_breaks_the_decoder(status, body):
    try:
        decode_object(answer(status, body))
    except errors.YandexAIStudioError as error:
        assert str(error)
