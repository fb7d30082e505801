"""Reading what the control plane is sent as the parameters of a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def from_json(kind: type[T], what: str, spec: Mapping[str, Any]) -> T:
    """
    Return a dataclass made of an object with its parameters.

    :param what: what it is called in a message: ``a fault``.
    :raises ValueError: an unknown name, or a value that makes no sense to the class.
    """
    known = [knob.name for knob in fields(kind)]  # type: ignore[arg-type]  # a dataclass has no type of its own
    unknown = set(spec) - set(known)
    if unknown:
        raise ValueError(f"{what} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    return kind(**spec)
