"""When one request is sent again, as a pure function of what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from airflow_provider_yandex_conv.api.wire import Safety
from airflow_provider_yandex_conv.exceptions import ConfigurationError, YandexAIStudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetry:
    """
    How often and how patiently one request is sent again.

    ``Retry-After`` comes first. Without it the wait before attempt *n + 1* is drawn evenly between 0 and
    ``min(wait_max, wait_initial * 2 ** (n - 1))``.

    A request is sent again only if waiting can help, and only if that cannot create a second thing: a call that creates
    is repeated when its last attempt was certainly not applied.

    All times are in seconds.

    :param attempts: how often the request is sent at most, the first time included.
    :param wait_initial: the longest wait before the second attempt.
    :param wait_max: the longest wait before any attempt. A ``Retry-After`` beyond it ends the call at once.
    :param timeout: what a call may take, attempts and waits together; above 0. A call that creates is not cut off at
        its end, only not begun again.
    :raises ConfigurationError: a number is out of its range.
    """

    attempts: int = 5
    wait_initial: float = 0.5
    wait_max: float = 20.0
    timeout: float = 60.0

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            kinds = (int,) if knob.name == "attempts" else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
                raise ConfigurationError(f"RequestRetry.{knob.name} must be a number, got {type(value).__name__}")
            least = 1 if knob.name == "attempts" else 0
            if value < least or (knob.name == "timeout" and value == 0):
                bound = "greater than 0" if knob.name == "timeout" else f"at least {least}"
                raise ConfigurationError(f"RequestRetry.{knob.name} must be {bound}, got {value}")

    def delay(self, error: YandexAIStudioError, safety: Safety, attempt: int, draw: float) -> float | None:
        """
        Return the seconds to wait before the next attempt, or None to stop.

        :param attempt: how many attempts have been made, from 1.
        :param draw: a number between 0 and 1, drawn evenly by the caller.
        """
        if attempt >= self.attempts or not error.transient:
            return None
        if safety is Safety.CREATES and error.applied is not False:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.wait_max else None
        # The exponent is bounded as a float would overflow where somebody allows a thousand attempts.
        return draw * min(self.wait_max, self.wait_initial * 2.0 ** min(attempt - 1, 64))

    def why_not(self, error: YandexAIStudioError, safety: Safety, attempt: int) -> str | None:
        """
        Say why :meth:`delay` gave None, or None where that needs no saying.

        :param attempt: how many attempts have been made, from 1.
        """
        if not error.transient or (safety is Safety.CREATES and error.applied is not False):
            return None
        if error.retry_after is not None and error.retry_after > self.wait_max:
            return (
                f"Not waited for: {error.retry_after:g} s is more than the longest allowed wait of {self.wait_max:g} s"
            )
        if attempt >= self.attempts:
            return f"Gave up after {attempt} of {self.attempts} attempts"
        return None
