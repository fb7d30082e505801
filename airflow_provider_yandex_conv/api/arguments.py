"""Checks of what an author may set, for arguments of any method, operator or sensor."""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.exceptions import ConfigurationError


def check_choice(name: str, value: Any, *choices: str) -> None:
    """
    Check an argument that is one of a few words.

    :raises ConfigurationError: it is none of them.
    """
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise ConfigurationError(f"{name} must be {known}, got {value!r}")


def check_count(name: str, value: Any) -> None:
    """
    Check an argument that is a whole number of at least 1.

    :raises ConfigurationError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")


def check_window(concurrency: int, rate: float | None) -> None:
    """
    Check what an author may set of a window.

    :raises ConfigurationError: a number is out of its range.
    """
    check_count("concurrency", concurrency)
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6):
        raise ConfigurationError(f"rate must be a number of requests per second greater than 0, or None, got {rate!r}")
