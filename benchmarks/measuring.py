"""What all benchmarks share: ways that take turns, medians with their ranges, and a table of ratios."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: What is written of, by the names under which it is installed.
DISTRIBUTIONS = (
    "apache-airflow",
    "apache-airflow-providers-http",
    "apache-airflow-providers-openai",
    "aiohttp",
    "openai",
    "requests",
)


def interleaved(ways: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = True) -> dict[str, list[T]]:
    """
    Call all ways in turns, ``rounds`` times, so that what else the machine does meets all of them alike.

    Every other round goes backwards. With ``warm_up`` there is one round before that does not count.
    """
    results: dict[str, list[T]] = {name: [] for name in ways}
    if warm_up:
        for way in ways.values():
            way()
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            results[name].append(ways[name]())
    return results


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Return a median with its range: ``1.05 (1.01 to 1.10)``."""
    ordered = sorted(values)
    low, middle, high = ordered[0], statistics.median(ordered), ordered[-1]
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours over theirs, round by round: what was measured side by side is compared."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


@dataclass(frozen=True)
class Aim:
    """What a figure should be at most."""

    what: str
    most: float
    measured: float

    def __str__(self) -> str:
        word = "met" if self.measured <= self.most else "MISSED"
        return f"{self.what}: {self.measured:.2f}, aim at most {self.most:g}: {word}"


@dataclass(frozen=True)
class Report:
    """
    What a benchmark has found.

    :param what: what was measured, in a sentence or a few.
    :param head: of the table.
    :param rows: of the table.
    """

    title: str
    what: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    aims: Sequence[Aim] = ()
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        table = [self.head, ["---"] * len(self.head), *self.rows]
        parts = [
            f"## {self.title}",
            self.what,
            "\n".join(f"| {' | '.join(row)} |" for row in table),
            *self.notes,
            "\n".join(f"- {aim}" for aim in self.aims),
            machine(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def machine() -> str:
    """Name the machine in generic words, and the versions of what ran on it."""
    installed = [(name, version(name)) for name in DISTRIBUTIONS]
    versions = ", ".join(f"{name} {found}" for name, found in installed if found)
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.system()}, Python {platform.python_version()}; {versions}; loopback."


def version(distribution: str) -> str | None:
    """Return the version of what is installed, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
