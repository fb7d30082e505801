"""Who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import compileall
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "airflow_provider_yandex_conv"
ROOT = Path(__file__).parent.parent.parent / PACKAGE
#: From the bottom up. A module imports from its own layer and those before it.
LAYERS = [
    "exceptions",
    "api",
    "auth",
    "endpoint",
    "exchange",
    "routes",
    "transport",
    "async_transport",
    "tokens",
    "sending",
    "alarm",
    "base_client",
    "client",
    "async_client",
    "bulk",
    "polling",
    "_compat",
    "hooks",
    "durable",
    "durable_batch",
    "triggers",
    "operators",
    "sensors",
    "retry_policy",
    "ui",
]
#: What tells the time, draws numbers or reaches out: api describes calls, and does none of that.
IMPURE = {
    "airflow",
    "asyncio",
    "http.client",
    "logging",
    "os",
    "random",
    "requests",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tenacity",
    "threading",
    "time",
    "urllib.request",
    "urllib3",
    "uuid",
}
HEAVY = {"aiohttp", "cryptography", "jwt", "requests", "starlette", "uvicorn"}


def modules():
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in sorted(ROOT.rglob("*.py"))}


def imported(file):
    """Return every module that a file imports anywhere, in functions and for types as well."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inner(file):
    """Return the parts of this package that a file imports, as paths below it."""
    return {name.removeprefix(f"{PACKAGE}.") for name in imported(file) if name.startswith(f"{PACKAGE}.")}


def layer(name):
    return name.split(".")[0]


def test_every_module_has_a_layer():
    known = {*LAYERS, "__init__", "emulator"}
    assert {layer(name) for name in modules()} == known


@pytest.mark.parametrize("name", [name for name in modules() if layer(name) in LAYERS])
def test_imports_point_downward_only(name):
    allowed = {*LAYERS[: LAYERS.index(layer(name)) + 1], "__version__"}
    assert {layer(one) for one in inner(modules()[name])} <= allowed


@pytest.mark.parametrize("name", [name for name in modules() if layer(name) == "emulator"])
def test_the_emulator_shares_nothing_with_the_client(name):
    assert {layer(one) for one in inner(modules()[name])} <= {"emulator"}


@pytest.mark.parametrize("name", [name for name in modules() if layer(name) in {"api", "exceptions"}])
def test_the_api_is_described_without_doing_anything(name):
    used = set(imported(modules()[name]))
    assert not {one for one in used for bad in IMPURE if one == bad or one.startswith(f"{bad}.")}


def test_the_two_that_every_component_imports_need_the_standard_library_only():
    asked = (
        f"import sys; before = set(sys.modules); import {PACKAGE}; {PACKAGE}.get_provider_info(); "
        "print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {PACKAGE}


def test_a_noun_knows_nothing_of_its_siblings():
    nouns = {"conversations", "items", "responses"}
    for name, file in modules().items():
        if name.split(".")[-1] in nouns:
            assert not {one for one in inner(file) if set(one.split(".")[1:]) & nouns - {name.split(".")[-1]}}


def test_only_one_file_tries_imports():
    tried = {
        name
        for name, file in modules().items()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ExceptHandler) and "ImportError" in ast.dump(node.type or ast.Constant(""))
    }
    assert tried == {"_compat"}


def test_a_secret_is_revealed_only_where_it_enters_a_request_or_signs_one():
    assert {name for name, file in modules().items() if ".reveal()" in file.read_text()} == {
        "exchange",
        "auth.service_account",
    }


def test_no_file_is_too_long_to_be_one_concept():
    everything = [
        *ROOT.rglob("*.py"),
        *(ROOT.parent / "tests").rglob("*.py"),
        *(ROOT.parent / "dags_examples").glob("*.py"),
    ]
    assert [file for file in everything if len(file.read_text().splitlines()) > 400] == []


MEASURE = """
import importlib, json, sys, time
try:
    from airflow.sdk import DAG, BaseOperator, BaseHook, BaseSensorOperator
except ImportError:
    from airflow.models import DAG, BaseOperator
    from airflow.hooks.base import BaseHook
    from airflow.sensors.base import BaseSensorOperator
before = set(sys.modules)
began = time.process_time()
importlib.import_module(f"airflow_provider_yandex_conv.{sys.argv[1]}")
spent = time.process_time() - began
print(json.dumps({"ms": spent * 1000, "loaded": sorted({name.split(".")[0] for name in set(sys.modules) - before})}))
"""


@pytest.fixture(
    scope="module",
    params=["operators.bulk", "operators.conversations", "operators.responses", "sensors.items", "sensors.responses"],
)
def measured(request):
    """
    What importing them adds to a process that has loaded Airflow; the first run warms the disk.

    In CPU time: on a busy machine the rest of the time is that of other processes.
    """
    compileall.compile_dir(ROOT, quiet=1)  # as an installer does, whatever this environment says of writing bytecode
    runs = []
    for _ in range(6):
        ended = subprocess.run(
            [sys.executable, "-c", MEASURE, request.param], capture_output=True, text=True, check=True, timeout=120
        )
        runs.append(json.loads(ended.stdout.splitlines()[-1]))
    return runs[1:]


def test_importing_what_a_dag_imports_is_cheap(measured):
    assert statistics.median(run["ms"] for run in measured) <= 15


def test_importing_what_a_dag_imports_loads_nothing_heavy(measured):
    assert not HEAVY & set(measured[0]["loaded"])


PLUGIN = """
import json, sys, time
import airflow.plugins_manager
try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models import DAG, BaseOperator
before = set(sys.modules)
began = time.process_time()
import airflow_provider_yandex_conv.ui.plugin
spent = time.process_time() - began
print(json.dumps({"ms": spent * 1000, "loaded": sorted(set(sys.modules) - before)}))
"""


def test_loading_the_plugin_is_cheap():
    """Airflow's scheduler, DAG processor, triggerer and API server load it; only the last ever shows a page."""
    compileall.compile_dir(ROOT, quiet=1)
    runs = []
    for _ in range(6):
        ended = subprocess.run([sys.executable, "-c", PLUGIN], capture_output=True, text=True, check=True, timeout=120)
        runs.append(json.loads(ended.stdout.splitlines()[-1]))
    assert statistics.median(run["ms"] for run in runs[1:]) <= 15
    own = {name for name in runs[0]["loaded"] if name.startswith(f"{PACKAGE}.")}
    assert own == {
        f"{PACKAGE}._compat",
        f"{PACKAGE}.operators",
        f"{PACKAGE}.operators.links",
        f"{PACKAGE}.ui",
        f"{PACKAGE}.ui.plugin",
    }
    assert not (HEAVY | {"fastapi", "jinja2", "markdown_it"}) & {name.split(".")[0] for name in runs[0]["loaded"]}


def test_importing_the_async_client_loads_nothing_heavy():
    """A triggerer imports it in its event loop."""
    asked = f"import sys; import {PACKAGE}.async_client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & {name.split(".")[0] for name in loaded}
