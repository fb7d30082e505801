from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from airflow_provider_yandex_conv.auth.api_key import APIKey
from airflow_provider_yandex_conv.auth.iam_token import IAMToken
from airflow_provider_yandex_conv.auth.secret import Secret
from airflow_provider_yandex_conv.exceptions import ConfigurationError

TEXT = "AQVN-planted-1"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, "%r".__mod__])
@pytest.mark.parametrize("wrap", [lambda secret: secret, APIKey, IAMToken, lambda secret: [secret]])
def test_a_secret_does_not_print_itself(show, wrap):
    shown = show(wrap(Secret(TEXT, name="x")))
    assert TEXT not in shown
    assert "***" in shown


def test_a_secret_cannot_be_pickled_or_copied():
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            leave(Secret(TEXT, name="x"))


def test_white_space_around_a_pasted_key_is_dropped():
    assert Secret(f"  {TEXT}\n", name="x").reveal() == TEXT


@pytest.mark.parametrize("bad", [f"{TEXT}\r\nX: 1", f"{TEXT} {TEXT}", f"{TEXT}é", f"{TEXT}\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(bad):
    with pytest.raises(ConfigurationError) as raised:
        Secret(bad, name="password")
    assert f"password ({len(bad)} characters) holds a character at position {len(TEXT)}" in str(raised.value)
    trace = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    own = [frame for frame in trace.stack if frame.filename.endswith("secret.py") and "auth" in frame.filename]
    assert own
    assert TEXT not in "".join(str(frame.locals) for frame in own)


def test_a_blank_key_is_refused():
    with pytest.raises(ConfigurationError, match=r"password is empty"):
        Secret("  ", name="password")


def test_a_secret_is_taken_out_of_texts():
    secret = Secret(TEXT, name="x")
    assert secret.redact(f"a {TEXT} b {TEXT}") == "a *** b ***"
    assert secret.redact(f"a {TEXT}".encode()) == b"a ***"
