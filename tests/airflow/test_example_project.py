"""The example project is run as its author would run it: a folder of its own, and nothing of this suite around it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "example_project"
TESTS = len(re.findall(r"^def test_", (PROJECT / "tests" / "test_triage.py").read_text(), re.MULTILINE))


def test_its_tests_pass(tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST", "PYTHONPATH"))
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    passed = re.search(r"^(\d+) passed(?:, \d+ warnings?)? in", ended.stdout, re.MULTILINE)
    assert passed, ended.stdout[-5000:] + ended.stderr[-2000:]
    assert int(passed[1]) > TESTS  # one of them has two cases
    assert not list(tmp_path.glob("airflow-*"))  # its database is gone
