"""The words that a person on call reads, exactly."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_yandex_conv import exceptions as errors

USAGE = {"input_tokens": 12, "output_tokens": 3}
IDS = {"request_id": "r1", "server_trace_id": "t1", "client_request_id": "c1"}
SHOWN = "x-request-id r1, x-server-trace-id t1, x-client-request-id c1"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.ConfigurationError("connection 'x': host (3 characters) has no scheme"),
            "connection 'x': host (3 characters) has no scheme. Nothing was sent.",
        ),
        (
            errors.CredentialUnavailableError("password is empty"),
            "password is empty. Nothing was sent.",
        ),
        (
            errors.CredentialRefreshError(
                "create conversation: get an IAM token of the metadata service: HTTP 503 Service Unavailable: down",
                transient=True,
                request_id="r1",
                client_request_id="c1",
                gave_up="Gave up after 5 of 5 attempts",
            ),
            "create conversation: get an IAM token of the metadata service: HTTP 503 Service Unavailable: down "
            "(x-request-id r1, x-client-request-id c1). The request itself was not sent. Gave up after 5 of 5 "
            "attempts. A retry may succeed.",
        ),
        (
            errors.CredentialRefreshError(
                "get conversation: get an IAM token of service account aje1: HTTP 401 Unauthorized: unknown key"
            ),
            "get conversation: get an IAM token of service account aje1: HTTP 401 Unauthorized: unknown key. "
            "The request itself was not sent. Check the credential of the connection.",
        ),
        (
            errors.APIConnectionError("no answer: Connection refused", applied=False, client_request_id="c1"),
            "no answer: Connection refused (x-client-request-id c1). Nothing was sent. Check host, proxies and "
            "network of the connection; a retry may succeed.",
        ),
        (
            errors.APITimeoutError("no whole answer in 30 s", client_request_id="c1"),
            "no whole answer in 30 s (x-client-request-id c1). Whether the request was applied is unknown. "
            "A retry may succeed.",
        ),
        (
            errors.APIStatusError("HTTP 413 Content Too Large: too big", status=413, **IDS),
            f"HTTP 413 Content Too Large: too big ({SHOWN}). Nothing was changed. The same request will fail again.",
        ),
        (
            errors.BadRequestError("HTTP 400 Bad Request: Failed to parse model URI", status=400, code="3"),
            "HTTP 400 Bad Request: Failed to parse model URI (code 3). Nothing was changed. "
            "The same request will fail again.",
        ),
        (
            errors.AuthenticationError("HTTP 401 Unauthorized: Unknown api key", status=401),
            "HTTP 401 Unauthorized: Unknown api key. Nothing was changed. Check the credential of the connection; a "
            "key that has expired or lacks the scope yc.ai.foundationModels.execute is refused like an unknown one.",
        ),
        (
            errors.PermissionDeniedError("HTTP 403 Forbidden: Permission denied.", status=403),
            "HTTP 403 Forbidden: Permission denied. Nothing was changed. Check roles or billing: the service account "
            "needs ai.assistants.editor and ai.languageModels.user on the folder, and the cloud's billing account must "
            "be active.",
        ),
        (
            errors.NotFoundError("HTTP 404 Not Found: no such conversation", status=404),
            "HTTP 404 Not Found: no such conversation. Nothing was changed. Check the id, and that the connection's "
            "host ends with the API's version, as in /v1.",
        ),
        (
            errors.ConflictError("HTTP 409 Conflict: aborted", status=409),
            "HTTP 409 Conflict: aborted. Whether the request was applied is unknown. A retry may succeed.",
        ),
        (
            errors.UnprocessableEntityError("HTTP 422 Unprocessable Entity: bad role", status=422),
            "HTTP 422 Unprocessable Entity: bad role. Nothing was changed. The same request will fail again.",
        ),
        (
            errors.RateLimitError("HTTP 429 Too Many Requests: quota", status=429),
            "HTTP 429 Too Many Requests: quota. Nothing was changed. A retry may succeed once the quota allows it.",
        ),
        (
            errors.RateLimitError("HTTP 429 Too Many Requests: quota", status=429, retry_after=1.5),
            "HTTP 429 Too Many Requests: quota. Nothing was changed. The server asks to wait 1.5 s before a retry.",
        ),
        (
            errors.InternalServerError(
                "HTTP 503 Service Unavailable: an empty body", gave_up="Gave up after 5 attempts"
            ),
            "HTTP 503 Service Unavailable: an empty body. Whether the request was applied is unknown. "
            "Gave up after 5 attempts. A retry may succeed.",
        ),
        (
            errors.UnsupportedEndpointError("HTTP 501 Not Implemented: UNIMPLEMENTED", status=501),
            "HTTP 501 Not Implemented: UNIMPLEMENTED. Nothing was changed. This server does not offer the endpoint, "
            "which some of the vendor's documents say; leave this step out.",
        ),
        (
            errors.InvalidResponseError("HTTP 200: the answer has no id", request_id="r1"),
            "HTTP 200: the answer has no id (x-request-id r1). Whether the request was applied is unknown. "
            "A retry may succeed.",
        ),
        (
            errors.AmbiguousOutcomeError(
                "create conversation: the answer was lost", client_request_ids=("c1", "c2"), client_request_id="c2"
            ),
            "create conversation: the answer was lost (x-client-request-id c1, c2). It may have been applied. Sending "
            "it again may create one more.",
        ),
        (
            errors.ResponseError("the response is odd"),
            "the response is odd. The server did not say what was billed. A retry asks, and pays, again.",
        ),
        (
            errors.ResponseFailedError(
                "the response failed: overloaded", code="server_error", response_id="resp_1", request_id="r1"
            ),
            "the response failed: overloaded (response resp_1, code server_error, x-request-id r1). The server did not "
            "say what was billed. A retry asks, and pays, again.",
        ),
        (
            errors.ResponseFailedError("the response failed: no", code="invalid_prompt", transient=False, usage=USAGE),
            "the response failed: no (code invalid_prompt). Billed: 12 input and 3 output tokens. The same request "
            "will fail again.",
        ),
        (
            errors.ResponseIncompleteError("the answer was cut short: content_filter", response_id="r1", usage=USAGE),
            "the answer was cut short: content_filter (response r1). Billed: 12 input and 3 output tokens. The same "
            "request will be cut short again; raise max_output_tokens, or ask for less or for something else.",
        ),
        (
            errors.ResponseCancelledError("the response was cancelled", response_id="r1"),
            "the response was cancelled (response r1). The server did not say what was billed. A retry asks, and pays, "
            "again.",
        ),
        (
            errors.ResponseTimeoutError("the response is still 'queued' after 60 s", response_id="r1"),
            "the response is still 'queued' after 60 s (response r1). It may go on, and is billed when it ends. A "
            "retry asks, and pays, again.",
        ),
        (
            errors.ResponseRefusedError("the model refused: I cannot", response_id="r1", usage=USAGE),
            "the model refused: I cannot (response r1). Billed: 12 input and 3 output tokens. Change what is "
            "asked for.",
        ),
        (
            errors.ResponseSchemaError("the answer does not fit the schema: $.mood", response_id="r1", usage=USAGE),
            "the answer does not fit the schema: $.mood (response r1). Billed: 12 input and 3 output tokens. A retry "
            "asks, and pays, again.",
        ),
        (
            errors.InterruptedCallError("create conversation: told to stop before attempt 2"),
            "create conversation: told to stop before attempt 2. Nothing was changed. A retry of the task may succeed.",
        ),
        (
            errors.PollTimeoutError("response resp_1: not over by the deadline, after 5 looks", found="queued"),
            "response resp_1: not over by the deadline, after 5 looks. What is waited for may still come about; a "
            "retry with a later deadline goes on waiting.",
        ),
        (
            errors.TaskStateStoreError("Airflow's task state store could not be read (EOFError)"),
            "Airflow's task state store could not be read (EOFError). Nothing was sent. A retry may succeed; "
            "durable=False does without the store.",
        ),
        (
            errors.TaskSupersededError("the supervisor of this task has died", applied=None),
            "the supervisor of this task has died. The try that took over goes on without this one.",
        ),
        (
            errors.BatchIncompleteError("9 of 10 conversations are created, 1 failed; [3] refused: HTTP 422"),
            "9 of 10 conversations are created, 1 failed; [3] refused: HTTP 422.",
        ),
        (
            errors.BatchInputError("conversations[30] cannot be read (OSError: Input/output error)"),
            "conversations[30] cannot be read (OSError: Input/output error). A retry reads it again.",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_happened_what_became_of_it_and_what_to_do(error, text):
    assert str(error) == text


def test_every_error_has_an_exact_text_here():
    tested = {type(case[0]) for case in _cases()}
    assert set(_subclasses(errors.YandexAIStudioError)) == tested


@pytest.mark.parametrize(
    ("kind", "transient", "applied"),
    [
        (errors.ConfigurationError, False, False),
        (errors.AuthenticationError, False, False),
        (errors.RateLimitError, True, False),
        (errors.ConflictError, True, None),
        (errors.InternalServerError, True, None),
        (errors.InvalidResponseError, True, None),
        (errors.AmbiguousOutcomeError, True, None),
        (errors.APIConnectionError, True, None),
        (errors.ResponseFailedError, True, True),
        (errors.ResponseIncompleteError, False, True),
        (errors.ResponseTimeoutError, True, True),
    ],
)
def test_an_error_tells_whether_waiting_helps_and_whether_it_was_applied(kind, transient, applied):
    error = kind("x")
    assert (error.transient, error.applied) == (transient, applied)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (errors.ResponseFailedError("x"), False),
        (errors.ResponseFailedError("x", transient=False), True),
        (errors.ResponseIncompleteError("x"), True),
        (errors.ResponseRefusedError("x"), True),
        (errors.ResponseCancelledError("x"), False),
        (errors.ResponseTimeoutError("x"), False),
        (errors.ResponseSchemaError("x"), False),
        (errors.BatchIncompleteError("x"), False),
        (errors.BatchIncompleteError("x", final=True), True),
        (errors.BatchInputError("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_response_or_a_batch_is_tried_again_where_the_next_can_be_better(error, final):
    assert error.final is final


def test_an_error_names_the_connection_that_was_used():
    error = errors.AuthenticationError("get conversation: HTTP 401 Unauthorized: no", status=401, request_id="r1")
    error.connection_id = "studio"
    assert str(error).startswith("get conversation: HTTP 401 Unauthorized: no (connection studio, x-request-id r1). ")


def test_an_error_after_a_lost_attempt_does_not_claim_that_nothing_was_changed():
    error = errors.InterruptedCallError("create conversation: told to stop before attempt 3")
    error.lost_client_request_ids = ("c1", "c2")
    assert str(error) == (
        "create conversation: told to stop before attempt 3. The last attempt changed nothing. An earlier attempt may "
        "have been applied, and cannot be found again: x-client-request-id c1, c2. A retry of the task may succeed."
    )


def test_an_error_in_the_middle_says_what_was_stored_before():
    error = errors.BadRequestError("add items: HTTP 400 Bad Request: bad role", status=400)
    error.stored_item_ids = ("msg_1", "msg_2")
    assert str(error) == (
        "add items: HTTP 400 Bad Request: bad role. Nothing was changed. 2 items were stored before, the last of them "
        "msg_2. The same request will fail again."
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.RateLimitError("HTTP 429", status=429, code="8", retry_after=2.0, **IDS),
        errors.ResponseFailedError("no", transient=False, response_id="r1", reason="no", usage=USAGE, **IDS),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def _cases():
    mark = next(
        mark
        for mark in test_an_error_says_what_happened_what_became_of_it_and_what_to_do.pytestmark
        if mark.name == "parametrize"
    )
    return mark.args[1]


def _subclasses(kind):
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)
