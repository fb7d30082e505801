"""The pinned files: complete, hashed, true to pyproject.toml, and without the host of any registry."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = sorted((ROOT / "constraints").glob("*.txt"))
TARGETS = re.findall(r"call pin,([\d.]+(?:-\w+)?),([\d.]+),(\d{4}-\d\d-\d\d)", (ROOT / "Makefile").read_text())


def pins(file):
    """Return (name, version, marker, number of hashes) of each pin of a file."""
    text = file.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    for line in lines:
        requirement, *hashes = line.split(" --hash=")
        parsed = Requirement(requirement.strip())
        (version,) = [one.version for one in parsed.specifier if one.operator == "=="]
        yield parsed.name, version, parsed.marker, len(hashes)


FURTHER_GROUPS = {
    "airflow-3.3": ["lint"],
    "airflow-3.3-bench": ["bench"],
    "airflow-3.3-browser": ["browser"],
    "airflow-3.3-celery": ["celery"],
    "airflow-3.3-docs": ["docs"],
}


def wanted(file):
    groups = ["build", "test", *FURTHER_GROUPS.get(file.stem, [])]
    yield from PROJECT["project"]["dependencies"]
    yield from PROJECT["project"]["optional-dependencies"]["emulator"]
    for group in groups:
        yield from PROJECT["dependency-groups"][group]


def test_there_is_one_file_per_environment():
    assert {file.stem for file in FILES} == {f"airflow-{minor}" for minor, _, _ in TARGETS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_host_is_named(file):
    text = file.read_text()
    assert not re.search(r"://|\bfile:|^-", text, re.MULTILINE)
    assert not re.search(r"\b[\w-]+\.(org|com|net|io)\b", text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_is_hashed(file):
    assert [name for name, _, _, hashes in pins(file) if hashes == 0] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_pins_satisfy_the_project(file):
    pinned = {}
    for name, version, _, _ in pins(file):
        pinned.setdefault(name, []).append(version)
    for text in wanted(file):
        requirement = Requirement(text)
        versions = pinned.get(requirement.name, [])
        assert versions, f"{requirement.name} is not pinned in {file.name}: run make constraints"
        assert all(requirement.specifier.contains(version) for version in versions), f"{text} against {versions}"


@pytest.mark.parametrize(("minor", "release", "day"), TARGETS)
def test_the_head_tells_the_release_and_the_day(minor, release, day):
    file = ROOT / "constraints" / f"airflow-{minor}.txt"
    assert f"--exclude-newer {day}" in file.read_text().splitlines()[1]
    assert ("apache-airflow", release) in [(name, version) for name, version, _, _ in pins(file)]
