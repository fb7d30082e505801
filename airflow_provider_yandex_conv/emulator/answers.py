"""What the model answers where a test scripts it, and what becomes of the response."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.emulator.knobs import from_json

#: Seconds that a response in the background takes where no script says so.
BACKGROUND_SECONDS = 0.05
#: The names of knobs by the types of their values, but for None, which is allowed in all but the last.
_KINDS: Mapping[str, tuple[type, ...]] = {
    "to": (str,),
    "times": (int,),
    "text": (str,),
    "output": (list, tuple),
    "refusal": (str,),
    "status": (str,),
    "error": (dict,),
    "reason": (str,),
    "usage": (dict,),
    "appends": (bool,),
    "delay": (int, float),
    "reads": (list, tuple),
    "hold": (bool,),
}


@dataclass(kw_only=True)
class Answer:
    """
    One answer of the model, in place of the echo.

    :param to: a text that the last message must hold; None for any.
    :param times: how many responses it is for; None for all from now on.
    :param text: what the model says; None for the echo.
    :param output: the items that the model gives, in place of a message.
    :param refusal: the words with which the model refuses, in place of a message.
    :param status: what the response ends with, which may be a status that nobody knows; None derives it from the
        others, and is ``completed`` without ``error`` and ``reason``.
    :param error: ``{"code": str, "message": str}`` of a response that failed. Its HTTP status is 200 all the same.
    :param reason: why a response is incomplete: ``max_output_tokens`` or ``content_filter``.
    :param usage: the tokens that are counted; None counts words, or nothing for a response that failed.
    :param appends: whether input and output are added to the conversation; None does so where there is an output.
    :param delay: seconds that it takes; None is 0, or 0.05 in the background.
    :param hold: keep the response under way until it is released.
    :param reads: the statuses that the first reads of the response tell, whatever it really has.
    """

    to: str | None = None
    times: int | None = 1
    text: str | None = None
    output: Sequence[dict[str, Any]] | None = None
    refusal: str | None = None
    status: str | None = None
    error: dict[str, Any] | None = None
    reason: str | None = None
    usage: dict[str, Any] | None = None
    appends: bool | None = None
    delay: float | None = None
    hold: bool = False
    reads: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if value is None and name not in {"hold", "reads"}:
                continue
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise ValueError(f"{name} must be of type {kinds[0].__name__}, got {value!r}")
        if not all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in self.output or ()):
            raise ValueError("output must be a list of objects with a type")

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> Answer:
        """
        Read an answer as the control plane takes it: an object with the parameters of this class.

        :raises ValueError: an unknown name, or a value that makes no sense.
        """
        return from_json(cls, "an answer", spec)

    @property
    def end(self) -> str:
        """The status that the response ends with."""
        if self.status is not None:
            return self.status
        if self.error is not None:
            return "failed"
        return "completed" if self.reason is None else "incomplete"


class Script:
    """The answers that are still to come, oldest first. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: list[Answer] = []

    def add(self, answer: Answer) -> None:
        """Add an answer; a response gets the first that is for it."""
        with self._lock:
            self._answers.append(answer)

    def reset(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()

    def take(self, asked: str) -> Answer:
        """
        Return the answer to a text, and count it.

        :return: an echo where there is none.
        """
        with self._lock:
            for answer in self._answers:
                if answer.times == 0 or (answer.to is not None and answer.to not in asked):
                    continue
                if answer.times is not None:
                    answer.times -= 1
                return answer
        return Answer()
