from __future__ import annotations

import os
import shutil
import signal
import statistics
from pathlib import Path

import pytest

from airflow_provider_yandex_conv.emulator.server import Emulator
from installation import Installation

#: How often each kill is tried.
ROUNDS = int(os.environ.get("ROUNDS", "1"))
DAGS = Path(__file__).parent / "dags"
EXAMPLES = Path(__file__).parents[2] / "dags_examples"
_measured = {}
# A test run that is told to end ends what it has started.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def _emulator():
    with Emulator() as server:
        yield server


@pytest.fixture
def emulator(_emulator):
    _emulator.reset()
    yield _emulator
    _emulator.release()


@pytest.fixture(scope="session")
def _local(_emulator, tmp_path_factory):
    home = tmp_path_factory.mktemp("local")
    (home / "dags").mkdir()
    shutil.copy(EXAMPLES / "approve_the_answer.py", home / "dags")
    installation = Installation(home, _emulator, dags=DAGS)
    try:
        installation.start(dag_count=12)
        yield installation
    finally:
        installation.stop()


@pytest.fixture
def airflow(_local, emulator):
    """An Airflow with the LocalExecutor, and an emulator that has forgotten all."""
    return _local


@pytest.fixture
def report():
    """Return a function that takes a measured value, for the table at the end."""
    return lambda what, value: _measured.setdefault(what, []).append(value)


@pytest.fixture
def rounds():
    return ROUNDS


def pytest_generate_tests(metafunc):
    if "round_number" in metafunc.fixturenames:
        metafunc.parametrize("round_number", range(1, ROUNDS + 1))


def pytest_terminal_summary(terminalreporter):
    if not _measured:
        return
    terminalreporter.section("measured: rounds, median, least, most")
    for what, values in _measured.items():
        figures = f"{len(values):3} {statistics.median(values):6.1f} {min(values):6.1f} {max(values):6.1f}"
        terminalreporter.line(f"{figures}  {what}")
