"""The benchmarks run, if only once and with few: what they measure is for people to look at."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

ROOT = Path(__file__).parent.parent.parent
NAMES = ("parse", "first", "steady", "bulk", "waits", "faults")

# They run beside the newest release only, in an environment of their own.
pytestmark = pytest.mark.skipif(Version(airflow_version) < Version("3.3"), reason="they are for the newest Airflow")


@pytest.mark.parametrize("name", NAMES)
def test_it_measures_ours_beside_another_way(name):
    ended = subprocess.run(
        [sys.executable, "benchmarks", "--quick", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"## {name}\n")
    assert re.search(r"^\| .*\bours\b", ended.stdout, re.MULTILINE) or name == "parse"
    assert f"Python {sys.version.split()[0]}" in ended.stdout


def test_every_one_has_a_target():
    asked = subprocess.run(
        [sys.executable, "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ", ".join(NAMES) in " ".join(asked.stdout.split())
    (targets,) = re.findall(r"^bench (.*):$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets.split() == [f"bench-{name}" for name in NAMES]
