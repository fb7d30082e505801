"""A planted key must not leave: not in a log, an error, a traceback, a repr, XCom or a rendered field."""

from __future__ import annotations

import json
import os
import pickle
import traceback
from pathlib import Path

import pytest

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

KEY = "AQVN-planted-5"
CONNECTION = "AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT"
FAST = RequestRetry(attempts=2, wait_initial=0)
#: The ways in which a server hands back what it was given.
ECHOES = {
    "error": {"status": 400, "message": f"bad header Authorization: Api-Key {KEY}"},
    "html": {"status": 502, "shape": "html", "message": KEY},
    "text": {"status": 503, "shape": "text", "message": f"no {KEY}"},
    "code": {"status": 403, "shape": "openai", "code": KEY},
    "redirect": {"status": 307, "headers": {"Location": f"https://other.example/{KEY}?key={KEY}"}},
    "request id": {"status": 500, "headers": {"x-request-id": KEY, "x-server-trace-id": KEY}},
    "no json": {"body": f"no {KEY}"},
    "success": {"body": f'{{"id": "c1", "metadata": {{"k": "{KEY}"}}}}', "headers": {"x-request-id": KEY}},
    "unauthorized": {"status": 401, "message": f"Unknown api key {KEY}"},
    "reset": {"drop": "reset"},
    "slow": {"delay": 0.5},
    "truncated": {"truncate": 5},
    "quota": {"status": 429, "message": KEY, "headers": {"Retry-After": "0"}},
}


@pytest.fixture(scope="module")
def server():
    with Emulator(api_key=KEY) as emulator:
        yield emulator


@pytest.fixture(
    params=[("password", KEY, {}), ("iam_token", None, {"auth_type": "iam_token", "iam_token": KEY})],
    ids=lambda p: p[0],
)
def planted(request, server, monkeypatch):
    _, password, extra = request.param
    fields = {"conn_type": "yandex_ai_studio", "host": server.base_url, "password": password}
    server.reset()
    monkeypatch.setenv(CONNECTION, json.dumps({**fields, "extra": {"timeout_read": 0.2, **extra}}))
    return server


def everything_said(error):
    """All that a traceback can print of an error, its causes and contexts, locals of our frames included."""
    said = [repr(error), str(error), repr(vars(error))]
    said += traceback.format_exception(error)
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    while trace is not None:
        ours = [frame for frame in trace.stack if "tests" not in frame.filename]
        said += [str(frame.locals) for frame in ours]
        trace = trace.__cause__ or trace.__context__
    return "\n".join(said)


@pytest.mark.parametrize("fault", ECHOES.values(), ids=ECHOES)
def test_a_key_that_the_server_hands_back_goes_no_further(planted, fault, context, logged):
    planted.fail("createConversation", times=None, **fault)
    operator = YandexCreateConversationOperator(task_id="create", request_retry=FAST)
    said = []
    try:
        said.append(operator.execute(context))
    except Exception as error:  # noqa: BLE001  # whichever it is
        said.append(everything_said(error))
    assert planted.requests
    said += [repr(operator), repr(vars(operator)), repr(operator.hook.get_conn().credential)]
    said += [str(context["pushed"]), logged()]
    said += [str(getattr(operator, name)) for name in operator.template_fields]
    assert KEY not in "\n".join(said)


def test_no_object_that_holds_the_key_prints_it(planted):
    client = YandexAIStudioHook().get_conn()
    client.transport  # noqa: B018  # makes it
    for holder in (client, client.credential, client.credential.secret, client.endpoint, client.transport):
        assert KEY not in repr(holder)
        assert KEY not in repr(getattr(holder, "__dict__", {}))
    with pytest.raises(TypeError):
        pickle.dumps(client.credential)


@pytest.mark.parametrize("bad", [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}é"])
def test_a_key_that_cannot_be_sent_is_not_shown(server, monkeypatch, bad, context, logged):
    monkeypatch.setenv(CONNECTION, json.dumps({"conn_type": "yandex_ai_studio", "password": bad}))
    with pytest.raises(Exception, match=r"password \(\d+ characters\) holds a character at position 14") as raised:
        YandexCreateConversationOperator(task_id="create").execute(context)
    assert KEY not in everything_said(raised.value)
    assert KEY not in logged()


def test_a_dead_server_does_not_make_the_key_show(monkeypatch, context, logged):
    with Emulator() as gone:
        host = gone.base_url
    monkeypatch.setenv(CONNECTION, json.dumps({"conn_type": "yandex_ai_studio", "host": host, "password": KEY}))
    with pytest.raises(errors.APIConnectionError) as raised:
        YandexCreateConversationOperator(task_id="create", request_retry=FAST).execute(context)
    assert KEY not in everything_said(raised.value)
    assert KEY not in logged()


def test_the_message_of_a_connection_test_does_not_show_the_key(planted):
    for fault in ECHOES.values():
        planted.reset()
        planted.fail("getConversation", times=None, **fault)
        assert KEY not in YandexAIStudioHook().test_connection()[1]


def test_a_dag_run_leaves_no_key_in_database_or_logs(server, monkeypatch, run_dag, logged):
    server.reset()
    monkeypatch.setenv(CONNECTION, server.connection())
    server.fail("createConversation", status=503, message=KEY)
    outcome = run_dag("creating_or_recreate")
    assert outcome.state == "success"
    home = Path(os.environ["AIRFLOW_HOME"])
    own = [line for line in logged().splitlines() if "MaskSecret" not in line]  # Airflow 3.0 debugs its own masking
    assert KEY not in "\n".join(own)
    for file in home.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file
