"""The types that hold secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, AnyStr, NoReturn
from urllib.parse import quote_plus

from airflow_provider_yandex_conv.exceptions import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on


#: Keeps a list of texts out of logs, as Airflow's ``mask_secret`` does.
Mask = Callable[[Any], Any]

#: The shortest line of a private key that is masked by itself: shorter ones may be parts of innocent words.
_MIN_LINE = 16


class Secret:
    """
    A text that does not print itself: ``repr``, ``str`` and ``format`` give ``***``, and it cannot be pickled.

    White space around it is dropped, as keys are pasted.

    :param value: the text.
    :param name: what it is called in the connection, for the message.
    :param in_header: whether it may enter an HTTP header. A private key does not, and has several lines.
    :raises ConfigurationError: it is empty, or holds a character that no HTTP header may hold. The HTTP library would
        refuse that as well, with the whole text in its message.
    """

    __slots__ = ("_forms", "_value")

    def __init__(self, value: str, *, name: str, in_header: bool = True) -> None:
        self._value = value.strip()
        del value  # a traceback may show the locals of this frame
        if not self._value:
            raise ConfigurationError(f"{name} is empty")
        bad = next((place for place, character in enumerate(self._value) if not "!" <= character <= "~"), None)
        if in_header and bad is not None:
            raise ConfigurationError(
                f"{name} ({len(self._value)} characters) holds a character at position {bad} that an HTTP header "
                "cannot carry; paste it again"
            )
        #: How it may be written, as it is and as sent in a form: as text and as bytes.
        self._forms = [(form, form.encode()) for form in {self._value, quote_plus(self._value)}]

    def reveal(self) -> str:
        """Return the text itself. Called where it enters a request or signs one, and nowhere else."""
        return self._value

    def redact(self, text: AnyStr) -> AnyStr:
        """Return the text with every occurrence of the secret replaced by ``***``, as sent in a form as well."""
        for form, encoded in self._forms:
            text = text.replace(encoded, b"***") if isinstance(text, bytes) else text.replace(form, "***")
        return text

    def register(self, mask: Mask) -> None:
        """Have it masked in logs; a text of several lines line by line as well, as each is logged by itself."""
        mask([self._value, *(line for line in self._value.splitlines()[1:-1] if len(line) >= _MIN_LINE)])

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


class SecretObject(dict[str, Any]):
    """A JSON object that holds secrets; does not print what it holds."""

    @classmethod
    def parse(cls, value: Any) -> Self:
        """
        Read an object, given as such or as JSON text; empty for anything else, as an error would quote the text.

        A line break inside a text is taken as it is: a shell may have unescaped those of a private key.
        """
        if isinstance(value, str):
            try:
                value = json.loads(value, strict=False)
            except (ValueError, RecursionError):
                return cls()
        return cls(value if isinstance(value, Mapping) else {})

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"


def secrets_in(body: Mapping[str, Any] | None) -> tuple[Secret, ...]:
    """Return the values of a request's body that are secret."""
    return tuple(value for value in (body or {}).values() if isinstance(value, Secret))
