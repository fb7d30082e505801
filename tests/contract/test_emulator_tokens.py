"""How the emulator issues IAM tokens, asked over plain HTTP."""

from __future__ import annotations

import time

import jwt
import pytest
import requests

from airflow_provider_yandex_conv.emulator.issuer import TokenSettings
from airflow_provider_yandex_conv.emulator.server import Emulator

EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "audience": "ajesa",
    "subject_token": "subject",
}


def signed(server, key, *, headers=None, algorithm="PS256", **claims):
    now = int(time.time())
    whole = {"aud": server.iam_url, "iss": key["service_account_id"], "iat": now, "exp": now + 360, **claims}
    return jwt.encode(whole, key["private_key"], algorithm=algorithm, headers={"kid": key["id"], **(headers or {})})


def ask_iam(server, body):
    answer = requests.post(server.iam_url, json=body, timeout=5)
    return answer.status_code, answer.json()


def ask_metadata(server, **headers):
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    headers = headers or {"Metadata-Flavor": "Google"}
    return requests.get(f"http://{server.metadata_address}{path}", headers=headers, timeout=5)


def create(server, token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{server.base_url}/conversations", headers=headers, timeout=5).status_code


def test_a_signed_request_gets_a_token_that_the_api_accepts(server, accepted_key):
    status, body = ask_iam(server, {"jwt": signed(server, accepted_key)})
    assert (status, set(body)) == (200, {"iamToken", "expiresAt"})
    assert len(body["expiresAt"]) == len("2026-01-01T00:00:00.123456789Z")
    assert create(server, body["iamToken"]) == 200
    assert create(server, "t1.other") == 401


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"aud": "https://iam.api.cloud.yandex.net/iam/v1/tokens"}, "aud must be http://127.0.0.1:"),
        ({"iss": "ajeother"}, "iss is not the service account of the key"),
        ({"exp": 1}, "it has expired or is not valid yet"),
        ({"iat": int(time.time()) + 600, "exp": int(time.time()) + 900}, "it has expired or is not valid yet"),
        ({"exp": int(time.time()) + 7200}, "exp must be at most 3600 s after iat"),
        ({"iat": None}, "iat and exp must be whole numbers"),
        ({"headers": {"kid": "other"}}, "unknown key 'other'"),
        ({"algorithm": "RS256"}, "only typ JWT and alg PS256 are supported"),
    ],
)
def test_a_signed_request_that_the_vendor_would_not_accept_is_refused(server, accepted_key, change, text):
    status, body = ask_iam(server, {"jwt": signed(server, accepted_key, **change)})
    assert (status, body["code"]) == (401, 16)
    assert text in body["message"]
    assert server.tokens == []


def test_a_signature_by_another_key_is_refused(server, accepted_key):
    with Emulator() as other:
        stranger = {**other.new_service_account_key(), "id": accepted_key["id"]}
    status, body = ask_iam(server, {"jwt": signed(server, stranger)})
    assert (status, body["message"]) == (401, "JWT is invalid: Signature verification failed")
    assert ask_iam(server, {"jwt": "x"})[0] == 401
    assert ask_iam(server, {})[0] == 400
    assert ask_iam(server, [])[0] == 400


def test_without_keys_any_signature_will_do(server, key):
    assert ask_iam(server, {"jwt": signed(server, key)})[0] == 200


def test_the_metadata_service_wants_its_header(server):
    answer = ask_metadata(server)
    assert set(answer.json()) == {"access_token", "expires_in", "token_type"}
    assert (answer.json()["expires_in"] > 43000, answer.json()["token_type"]) == (True, "Bearer")
    assert create(server, answer.json()["access_token"]) == 200
    assert ask_metadata(server, other="x").status_code == 403


def test_a_token_is_exchanged_for_the_documented_form(server):
    answer = requests.post(server.exchange_url, data=EXCHANGE, timeout=5)
    assert create(server, answer.json()["access_token"]) == 200
    for name in EXCHANGE:
        refused = requests.post(server.exchange_url, data={**EXCHANGE, name: ""}, timeout=5)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        assert name in refused.json()["error_description"]
    assert requests.post(server.exchange_url, json=EXCHANGE, timeout=5).status_code == 400


def test_tokens_expire(server, clock):
    server.issue(lifetime=60)
    token = ask_metadata(server).json()["access_token"]
    assert create(server, token) == 200
    clock.ahead = 61
    assert create(server, token) == 401


def test_a_token_can_be_given_again_while_it_lives(server, clock):
    server.issue(repeat=True, lifetime=60)

    def ask():
        return ask_metadata(server).json()["access_token"]

    first = ask()
    assert ask() == first
    clock.ahead = 61
    assert ask() != first


def test_the_control_plane_sets_how_tokens_are_issued(server):
    control = f"http://{server.metadata_address}/_emulator"
    assert requests.put(f"{control}/tokens", json={"lifetime": -5}, timeout=5).status_code == 204
    assert ask_metadata(server).json()["expires_in"] < 0
    refused = requests.put(f"{control}/tokens", json={"life": 1}, timeout=5)
    assert (refused.status_code, refused.json()) == (400, {"error": "tokens have no life"})
    requests.post(f"{control}/reset", timeout=5)
    assert ask_metadata(server).json()["expires_in"] > 43000


def test_settings_of_the_start_survive_a_reset():
    with Emulator(tokens=TokenSettings(lifetime=60)) as server:
        server.issue(lifetime=5)
        server.reset()
        assert 50 < ask_metadata(server).json()["expires_in"] <= 60


def test_requests_for_tokens_meet_faults_and_are_recorded(server):
    server.fail("getMetadataToken", status=503)
    assert [ask_metadata(server).status_code, ask_metadata(server).status_code] == [503, 200]
    assert [(one.operation, one.status) for one in server.requests] == [
        ("getMetadataToken", 503),
        ("getMetadataToken", 200),
    ]
