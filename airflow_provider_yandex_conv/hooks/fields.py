"""
The kinds of extra that a connection may hold: how each is read, checked and shown in the form of each Airflow version.

A value that is null or empty is unset: Airflow stores an empty field of a form that way. Messages tell the size of a
value that is wrong, never the value, as people paste keys into the wrong field.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_yandex_conv.auth.paths import is_path
from airflow_provider_yandex_conv.auth.secret import Secret, SecretObject
from airflow_provider_yandex_conv.endpoint import MAX_TIMEOUT
from airflow_provider_yandex_conv.exceptions import ConfigurationError


class Extras(dict[str, Any]):
    """The extras of a connection; does not print what it holds."""

    def __repr__(self) -> str:
        return f"<{len(self)} extras>"


@dataclass(frozen=True, slots=True)
class Field(ABC):
    """
    One extra.

    :param name: its key. One that holds a secret contains a word by which Airflow masks extras, such as ``token``.
    :param label: its name in the form.
    :param description: help text in the form.
    """

    name: str
    label: str
    description: str

    def read(self, extras: Extras) -> Any:
        """
        Return the checked value, or None where it is unset.

        :raises ConfigurationError: the value is not of this kind.
        """
        value = extras.get(self.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        del value  # a traceback may show the locals of this frame
        return self._checked(extras)

    def conn_field(self) -> dict[str, Any]:
        """Return the field as Airflow 3.2 and later declare it: label, description and JSON schema."""
        return {"label": self.label, "description": self.description, "schema": self._schema()}

    @abstractmethod
    def form_widget(self) -> Any:
        """Return the field as Airflow below 3.2 wants it: a WTForms field of a kind that Airflow allows."""

    @abstractmethod
    def _schema(self) -> dict[str, Any]:
        """Return the JSON schema; null is always allowed, and there is no default, as a form would store it."""

    @abstractmethod
    def _checked(self, extras: Extras) -> Any: ...

    def _wrong(self, expected: str, value: Any) -> ConfigurationError:
        return ConfigurationError(
            f"extra {self.name!r} must be {expected}, got {_size(value)}; correct it or leave it empty"
        )

    def _string_field(self, *validators: Any) -> Any:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import StringField
        from wtforms.validators import Optional

        return StringField(
            self.label,
            validators=[Optional(), *validators],
            description=self.description,
            widget=BS3TextFieldWidget(),
        )


class Text(Field):
    """A line of text."""

    __slots__ = ()

    def form_widget(self) -> Any:
        return self._string_field()

    def _schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def _checked(self, extras: Extras) -> str:
        if not isinstance(extras[self.name], str):
            raise self._wrong("a text", extras[self.name])
        return str(extras[self.name]).strip()


class SecretPath(Text):
    """The path of a file that holds a secret."""

    __slots__ = ()

    def _checked(self, extras: Extras) -> str:
        if not is_path(super()._checked(extras)):
            raise self._wrong("the absolute path of a file", extras[self.name])
        return super()._checked(extras)


class HeaderText(Text):
    """A text that is sent in a header."""

    __slots__ = ()

    def _checked(self, extras: Extras) -> str:
        if not re.fullmatch(r"[!-~]*", super()._checked(extras)):
            raise self._wrong("a text of visible ASCII characters without spaces", extras[self.name])
        return super()._checked(extras)


class Url(HeaderText):
    """A URL with scheme, without user name and password."""

    __slots__ = ()

    def _checked(self, extras: Extras) -> str:
        if not re.fullmatch(r"https?://[^@/?#]+(/[^@?#]*)?", super()._checked(extras)):
            raise self._wrong("a URL with scheme http or https", extras[self.name])
        return super()._checked(extras)


class SecretText(Field):
    """A text that is hidden in the form and wrapped as soon as it is read."""

    __slots__ = ()

    def form_widget(self) -> Any:
        from wtforms import PasswordField
        from wtforms.validators import Optional

        return PasswordField(self.label, validators=[Optional()], description=self.description, widget=_hidden_input)

    def _schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "format": "password"}

    def _checked(self, extras: Extras) -> Secret:
        if not isinstance(extras[self.name], str):
            raise self._wrong("a text", extras[self.name])
        return Secret(extras[self.name], name=f"extra {self.name!r}")


class SecretDocument(SecretText):
    """A JSON object that holds secrets, given as such or as text. It is hidden in the form."""

    __slots__ = ()

    def _checked(self, extras: Extras) -> SecretObject:  # type: ignore[override]  # a secret of several values
        document = SecretObject.parse(extras[self.name])
        if not document:
            raise self._wrong("a JSON object", extras[self.name])
        return document


@dataclass(frozen=True, slots=True)
class Choice(Field):
    """One of several words."""

    choices: tuple[str, ...]

    def form_widget(self) -> Any:
        return self._string_field(*_one_of(self.choices))

    def _schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "enum": list(self.choices)}

    def _checked(self, extras: Extras) -> str:
        if not isinstance(extras[self.name], str) or extras[self.name] not in self.choices:
            raise self._wrong(f"one of {', '.join(self.choices)}", extras[self.name])
        return str(extras[self.name])


@dataclass(frozen=True, slots=True)
class Number(Field):
    """
    A finite number.

    :param at_least: the least value allowed.
    :param above: a value that is just too small.
    """

    at_least: float | None = None
    above: float | None = None

    def form_widget(self) -> Any:
        return self._string_field()  # Airflow allows no field for fractions

    def _schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.at_least, "exclusiveMinimum": self.above}
        return {"type": ["number", "null"]} | {key: bound for key, bound in bounds.items() if bound is not None}

    def _checked(self, extras: Extras) -> float:
        number = self._parse(extras[self.name])
        too_small = (self.at_least is not None and number < self.at_least) or (
            self.above is not None and number <= self.above
        )
        if number > MAX_TIMEOUT:
            raise self._wrong(f"a number of at most {MAX_TIMEOUT:g}", extras[self.name])
        if math.isnan(number) or too_small:
            raise self._wrong(self._expected(), extras[self.name])
        return number

    def _expected(self) -> str:
        if self.above is not None:
            return f"a number greater than {self.above:g}"
        return "a number" if self.at_least is None else f"a number of at least {self.at_least:g}"

    @staticmethod
    def _parse(value: Any) -> float:
        """Return the number, also where a form stored it as text; not-a-number for anything else."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return math.nan
        try:
            return float(value)
        except (ValueError, OverflowError):
            return math.nan


class Integer(Number):
    """A whole number."""

    __slots__ = ()

    def form_widget(self) -> Any:
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import IntegerField
        from wtforms.validators import Optional

        return IntegerField(
            self.label, validators=[Optional()], description=self.description, widget=BS3TextFieldWidget()
        )

    def _schema(self) -> dict[str, Any]:
        return {**super()._schema(), "type": ["integer", "null"]}

    def _checked(self, extras: Extras) -> int:
        number = super()._checked(extras)
        if number != int(number):
            raise self._wrong(self._expected(), extras[self.name])
        return int(number)

    def _expected(self) -> str:
        return super()._expected().replace("a number", "a whole number")


class Flag(Field):
    """True or false. Shown as a choice: a switch cannot be left unset, and would be stored as false by every form."""

    __slots__ = ()

    def form_widget(self) -> Any:
        return self._string_field(*_one_of(["true", "false"]))

    def _schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "enum": ["true", "false"]}

    def _checked(self, extras: Extras) -> bool:
        flag = _as_bool(extras[self.name])
        if flag is None:
            raise self._wrong("true or false", extras[self.name])
        return flag


class FlagOrPath(Field):
    """True, false, or the path of something that exists."""

    __slots__ = ()

    def form_widget(self) -> Any:
        return self._string_field()

    def _schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def _checked(self, extras: Extras) -> bool | str:
        flag = _as_bool(extras[self.name])
        if flag is not None:
            return flag
        if not isinstance(extras[self.name], str) or not _exists(extras[self.name].strip()):
            raise self._wrong("true, false or the path of an existing file or folder", extras[self.name])
        return str(extras[self.name]).strip()


class TextMapping(Field):
    """A JSON object that maps texts to texts. It may hold passwords, so its values are not shown either."""

    __slots__ = ()

    def form_widget(self) -> Any:
        return self._string_field()

    def _schema(self) -> dict[str, Any]:
        # Not an object: the editor of Airflow 3.3 for those moves the cursor away while somebody types.
        return {"type": ["string", "null"]}

    def _checked(self, extras: Extras) -> Mapping[str, str]:
        mapping = Extras(json_object(extras[self.name]) or {})
        if not mapping or not all(isinstance(text, str) for pair in mapping.items() for text in pair):
            raise self._wrong("a JSON object of texts", extras[self.name])
        return mapping


def _hidden_input(field: Any, **attributes: Any) -> Any:
    """
    Draw a field of Airflow 2 whose text is hidden.

    Airflow 2 deletes what is stored when such a field comes back empty, as it does from a form that a person opens and
    saves; it keeps what is stored where this word comes back. Source: ``process_form`` of ``airflow/www/views.py``.
    """
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget

    if field.data:
        attributes["value"] = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"
    return BS3PasswordFieldWidget(hide_value=not field.data)(field, **attributes)


def _one_of(words: Iterable[str]) -> list[Any]:
    """
    Return what makes a text field of a form a choice.

    Airflow 3.1 puts something of its own in the place of ``any_of``. On Python 3.10 it is found by one of these names
    only, on later ones by the other.
    """
    import wtforms
    from wtforms.validators import any_of

    validators = {id(one): one for one in (any_of, wtforms.validators.any_of)}
    return [one(list(words)) for one in validators.values()]


def _exists(path: str) -> bool:
    """Whether there is something at a path; what is too long or too odd for one, such as a pasted token, is not."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _as_bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def json_object(value: Any) -> dict[str, Any] | None:
    """Return a JSON object, given as such or as text; None for anything else, as an error would quote the text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _size(value: Any) -> str:
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)} entries"
    text = str(value)
    return f"the {type(value).__name__} {text}" if len(text) < 10 else f"a {type(value).__name__}"
