"""What a response ended with, as an error: its reason, its id and what was billed."""

from __future__ import annotations

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.models import Item
from airflow_provider_yandex_conv.api.outcome import require_answer, timed_out, unlike_schema
from airflow_provider_yandex_conv.api.response_models import ModelResponse, Usage

USAGE = Usage(input_tokens=12, output_tokens=3, total_tokens=15)


def response(status, **fields):
    return ModelResponse(id="r1", status=status, usage=USAGE, request_id="q1", **fields)


def refused(words):
    part = {"type": "refusal", "refusal": words}
    return (Item(id="m1", type="message", raw={"type": "message", "content": [part]}),)


@pytest.mark.parametrize(
    ("ended", "kind", "message", "reason", "code"),
    [
        (
            response("failed", error_code="server_error", error_message="Oops"),
            errors.ResponseFailedError,
            "the response failed: Oops",
            "Oops",
            "server_error",
        ),
        (
            response("failed"),
            errors.ResponseFailedError,
            "the response failed: no reason given",
            "no reason given",
            None,
        ),
        (
            response("incomplete", incomplete_reason="max_output_tokens"),
            errors.ResponseIncompleteError,
            "the answer was cut short: max_output_tokens",
            "max_output_tokens",
            None,
        ),
        (
            response("incomplete"),
            errors.ResponseIncompleteError,
            "the answer was cut short: no reason given",
            "no reason given",
            None,
        ),
        (response("cancelled"), errors.ResponseCancelledError, "the response was cancelled", None, None),
        (
            response("completed", output=refused("I cannot")),
            errors.ResponseRefusedError,
            "the model refused: I cannot",
            "I cannot",
            None,
        ),
        (
            response("pondering"),
            errors.ResponseFailedError,
            "the response ended with the status 'pondering', which is not known",
            None,
            None,
        ),
    ],
)
def test_an_end_without_an_answer_is_an_error_of_its_own(ended, kind, message, reason, code):
    with pytest.raises(errors.ResponseError) as raised:
        require_answer(ended)
    error = raised.value
    assert type(error) is kind
    assert (error.message, error.reason, error.code) == (message, reason, code)
    assert (error.response_id, error.request_id, error.usage) == ("r1", "q1", USAGE.as_dict())
    assert error.applied is True
    assert "Billed: 12 input and 3 output tokens" in str(error)


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        ("server_error", True),
        ("rate_limit_exceeded", True),
        ("vector_store_timeout", True),
        (None, True),
        ("invalid_prompt", False),
        ("invalid_image_format", False),
        ("image_too_large", False),
    ],
)
def test_a_response_that_failed_for_its_request_fails_again(code, transient):
    with pytest.raises(errors.ResponseFailedError) as raised:
        require_answer(response("failed", error_code=code))
    assert (raised.value.transient, raised.value.final) == (transient, not transient)


def test_an_answer_is_handed_on():
    ended = response("completed")
    assert require_answer(ended) is ended


def test_what_was_not_billed_is_not_made_up():
    with pytest.raises(errors.ResponseFailedError) as raised:
        require_answer(ModelResponse(id="r1", status="failed"))
    assert raised.value.usage is None
    assert "did not say what was billed" in str(raised.value)


def test_a_wait_in_vain_and_a_form_that_was_not_kept():
    error = timed_out(response("in_progress"), 60.0)
    assert (type(error), error.reason, error.response_id) == (errors.ResponseTimeoutError, "in_progress", "r1")
    assert error.message == "the response is still 'in_progress' after 60 s"
    error = unlike_schema(response("completed"), "$.mood is 7")
    assert (type(error), error.reason, error.usage) == (errors.ResponseSchemaError, "$.mood is 7", USAGE.as_dict())


def test_a_long_reason_is_kept_whole_and_shown_short():
    with pytest.raises(errors.ResponseRefusedError) as raised:
        require_answer(response("completed", output=refused("no " * 1000)))
    assert raised.value.reason == "no " * 1000
    assert len(raised.value.message) < 600
