"""The input of a batch, read as it is needed: a list, an iterator, or a file with one JSON value in each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from airflow_provider_yandex_conv.exceptions import ConfigurationError

#: Opens a URL of an object storage for reading text.
OpenURL = Callable[[str], AbstractContextManager[IO[str]]]

#: How much of an unknown field's name a message shows.
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Unreadable:
    """
    A line of a file that is no JSON.

    :param why: what is wrong, without its content.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Source:
    """
    The input of a batch.

    :param specs: what is in it, each once.
    :param total: how many there are; None where only reading it tells.
    """

    specs: Iterator[Any]
    total: int | None


def open_source(name: str, given: Any, open_url: OpenURL) -> Source:
    """
    Return an input as it may be given.

    :param name: of the argument, for messages.
    :param given: a list; an iterator, or a function that returns one; or a path or URL of a file with one JSON value in
        each line, or the manifest of one that an operator has written: ``{"path": str, "count": int, ...}``.
    :raises ConfigurationError: it is none of these.
    """
    if isinstance(given, Mapping) and isinstance(given.get("path"), str):
        count = given.get("count")
        return Source(_lines(given["path"], open_url), count if isinstance(count, int) else None)
    if isinstance(given, str | PathLike) and str(given).strip():
        return Source(_lines(given, open_url), None)
    if callable(given):
        given = given()
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return Source(iter(given), len(given) if isinstance(given, Sized) else None)
    raise ConfigurationError(
        f"{name} must be a list, an iterator or the path of a file with one JSON value in each line, got "
        f"{type(given).__name__}"
    )


def _lines(path: str | PathLike[str], open_url: OpenURL) -> Iterator[Any]:
    """Read the values one by one; empty lines do not count."""
    url = str(path)
    with open_url(url) if "://" in url else Path(path).open(encoding="utf-8") as file:
        # By readline(), as what Airflow 2.10 opens cannot be iterated over.
        for number, line in enumerate(iter(file.readline, ""), 1):
            if line.strip():
                yield _value(line, number)


def _value(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "too deep"
        return Unreadable(f"line {number} is no JSON ({reason})")


def checked(spec: Any) -> Any:
    """
    Return what was read.

    :raises ConfigurationError: it is a line that is no JSON.
    """
    if isinstance(spec, Unreadable):
        raise ConfigurationError(spec.why)
    return spec


def fields_of(spec: Any, what: str, *names: str) -> Mapping[str, Any]:
    """
    Return an object of the input.

    :param what: what it is, for the message: ``a conversation``.
    :param names: all the fields that it may have.
    :raises ConfigurationError: it is none, or has other fields.
    """
    spec = checked(spec)
    if not isinstance(spec, Mapping):
        raise ConfigurationError(f"{what} must be an object with {' and '.join(names)}, got {type(spec).__name__}")
    unknown = ", ".join(sorted(str(name)[:_SHOWN_CHARACTERS] for name in set(spec) - set(names)))
    if unknown:
        raise ConfigurationError(f"{what} has {' and '.join(names)}, and nothing else; got {unknown}")
    return spec
