"""The one type that holds a secret."""

from __future__ import annotations

from typing import AnyStr, NoReturn

from airflow_provider_yandex_conv.exceptions import ConfigurationError


class Secret:
    """
    A text that does not print itself: ``repr``, ``str`` and ``format`` give ``***``, and it cannot be pickled.

    White space around it is dropped, as keys are pasted.

    :param value: the text.
    :param name: what it is called in the connection, for the message.
    :raises ConfigurationError: it is empty, or holds a character that no HTTP header may hold. The HTTP library would
        refuse that as well, with the whole text in its message.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, name: str) -> None:
        self._value = value.strip()
        del value  # a traceback may show the locals of this frame
        if not self._value:
            raise ConfigurationError(f"{name} is empty")
        bad = next((place for place, character in enumerate(self._value) if not "!" <= character <= "~"), None)
        if bad is not None:
            raise ConfigurationError(
                f"{name} ({len(self._value)} characters) holds a character at position {bad} that an HTTP header "
                "cannot carry; paste it again"
            )

    def reveal(self) -> str:
        """Return the text itself. Called where it enters a request, and nowhere else."""
        return self._value

    def redact(self, text: AnyStr) -> AnyStr:
        """Return the text with every occurrence of the secret replaced by ``***``."""
        if isinstance(text, bytes):
            return text.replace(self._value.encode(), b"***")
        return text.replace(self._value, "***")

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
