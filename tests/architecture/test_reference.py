"""The reference is complete: every module that a user may import is in it, and nothing that is not there."""

from __future__ import annotations

import importlib
import re
from fnmatch import fnmatch

import pytest

from documents import ROOT

PACKAGE = "airflow_provider_yandex_conv"
SHOWN = [
    name
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(rf"^\.\. automodule:: {PACKAGE}\.(\S+)$", page.read_text(), re.MULTILINE)
]
#: What nobody imports but this package itself.
INTERNAL = (
    "_*",
    "*.__main__",
    "alarm",
    "api",
    "api.answers",
    "api.arguments",
    "api.decode",
    "api.matching",
    "api.new_items",
    "api.paging",
    "async_transport",
    "auth",  # a credential is chosen by the connection
    "auth.*",
    "base_client",
    "bulk",
    "bulk.*",  # its results are shown
    "durable",
    "durable_batch",
    "emulator",
    "emulator.app",
    "emulator.errors",
    "emulator.handlers",
    "emulator.holds",
    "emulator.knobs",
    "emulator.model",
    "emulator.new_items",
    "emulator.paging",
    "emulator.response*",
    "emulator.schema",
    "emulator.service",
    "emulator.state",
    "emulator.token_handlers",
    "emulator.wire",
    "endpoint",
    "exceptions.*",  # all of them are in the package
    "exchange",
    "hooks",
    "hooks.*",  # the one hook inherits all their methods
    "operators",
    "operators.adding",
    "operators.asking",
    "operators.batches",  # what the operators for many at once have in common
    "operators.creating",
    "operators.manifest",
    "operators.schema",
    "operators.stamp",
    "polling",
    "routes",
    "sending",
    "sensors",
    "tokens",
    "transport",
    "triggers",
    "triggers.asset_state",
    "triggers.clients",
    "ui",  # Airflow loads it
    "ui.*",
)


def modules():
    """Return the names of all modules, without that of the package."""
    root = ROOT / PACKAGE
    for file in root.rglob("*.py"):
        path = file.relative_to(root).with_suffix("")
        name = ".".join(path.parent.parts if path.name == "__init__" else path.parts)
        if name:
            yield name


@pytest.mark.parametrize("name", sorted(modules()))
def test_every_module_is_shown_or_is_internal(name):
    internal = [pattern for pattern in INTERNAL if fnmatch(name, pattern)]
    assert (name in SHOWN) or internal, f"put {name} on a page in docs/reference, or among the internal modules here"


def test_nothing_is_shown_twice_and_all_of_it_is_there():
    assert len(SHOWN) == len(set(SHOWN))
    assert set(SHOWN) <= set(modules())


def test_no_internal_pattern_is_left_over():
    names = set(modules())
    assert [pattern for pattern in INTERNAL if not any(fnmatch(name, pattern) for name in names)] == []


def test_what_the_provider_tells_airflow_of_is_shown():
    info = importlib.import_module(PACKAGE).get_provider_info()
    told = {
        name.removeprefix(f"{PACKAGE}.")
        for kind in ("hooks", "operators", "sensors", "triggers")
        for integration in info[kind]
        for name in integration["python-modules"]
    }
    assert told <= set(SHOWN)
