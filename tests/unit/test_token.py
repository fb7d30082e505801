"""What the answers of services that issue tokens amount to."""

from __future__ import annotations

import json
import traceback

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.wire import Response
from airflow_provider_yandex_conv.auth import token

TOKEN = "t1.planted-6"
NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def answer(body, status=200):
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status=status, headers={"x-request-id": "r1"}, body=text.encode(), received_at=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T12:00:00Z", 43200),
        ("2026-01-01t12:00:00z", 43200),
        ("2026-01-01T12:00:00.5Z", 43200.5),
        ("2026-01-01T12:00:00.123456789Z", 43200.123456789),
        ("2026-01-01T15:30:00+03:30", 43200),
        ("2026-01-01T08:30:00-03:30", 43200),
    ],
)
def test_the_expiry_is_a_time_of_rfc_3339(text, seconds):
    read = token.from_iam(answer({"iamToken": TOKEN, "expiresAt": text}))
    assert read.secret.reveal() == TOKEN
    assert read.expires_at == pytest.approx(NOW + seconds, abs=1e-6)


def test_the_expiry_is_so_many_seconds_from_now():
    read = token.from_oauth(answer({"access_token": TOKEN, "expires_in": 60, "token_type": "Bearer"}))
    assert (read.secret.reveal(), read.received_at, read.expires_at) == (TOKEN, NOW, NOW + 60)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"iamToken": TOKEN}, "the answer does not say when the token expires"),
        ({"iamToken": TOKEN, "expiresAt": "soon"}, "the answer does not say when the token expires"),
        ({"iamToken": TOKEN, "expiresAt": "2026-13-01T00:00:00Z"}, "the answer does not say when the token expires"),
        ({"iamToken": TOKEN, "expiresAt": "2026-01-01T00:00:00+99:00"}, "the answer does not say when"),
        ({"iamToken": TOKEN, "expiresAt": "2025-12-31T23:59:00Z"}, "a token that expired 60 s ago"),
        ({"iamToken": TOKEN, "expiresAt": "2026-01-01T00:00:00Z"}, "a token that expired 0 s ago"),
        ({"iamToken": f"{TOKEN}\n{TOKEN}", "expiresAt": "2027-01-01T00:00:00Z"}, "no iamToken that can be sent"),
        ({"iamToken": "", "expiresAt": "2027-01-01T00:00:00Z"}, "no iamToken that can be sent"),
        ({"iamToken": [TOKEN]}, "no iamToken that can be sent"),
        ({"error": TOKEN}, "no iamToken that can be sent"),
        ([TOKEN], "no iamToken that can be sent"),
        (f'{{"iamToken": "{TOKEN}', "no iamToken that can be sent"),
        ("", "no iamToken that can be sent"),
    ],
)
def test_a_success_that_is_of_no_use_is_an_error_that_quotes_nothing(body, text):
    with pytest.raises(errors.InvalidResponseError) as raised:
        token.from_iam(answer(body))
    assert text in str(raised.value)
    assert raised.value.request_id == "r1"
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in trace.stack if "airflow_provider_yandex_conv" in frame.filename]
    assert TOKEN not in str(raised.value) + "".join(str(frame.locals) for frame in ours)


@pytest.mark.parametrize("seconds", [None, "60", True, float("nan"), float("inf"), [60]])
def test_a_life_that_is_no_number_is_refused(seconds):
    with pytest.raises(errors.InvalidResponseError, match="does not say when"):
        token.from_oauth(answer({"access_token": TOKEN, "expires_in": seconds}))


def test_an_error_keeps_the_words_of_the_server():
    with pytest.raises(errors.BadRequestError, match="invalid_grant: the subject token has expired"):
        token.from_oauth(
            answer({"error": "invalid_grant", "error_description": "the subject token has expired"}, status=400)
        )
    with pytest.raises(errors.AuthenticationError, match="JWT is invalid"):
        token.from_iam(answer({"code": 16, "message": "JWT is invalid"}, status=401))


@pytest.mark.parametrize(("life", "replaced_at"), [(43200, 42900), (3000, 2700), (60, 54)])
def test_a_token_is_replaced_before_it_expires_but_not_right_away(life, replaced_at):
    one = token.from_oauth(answer({"access_token": TOKEN, "expires_in": life}))
    assert one.is_fresh(NOW + replaced_at - 1)
    assert not one.is_fresh(NOW + replaced_at)
    assert one.is_valid(NOW + life - 1)
    assert not one.is_valid(NOW + life)
