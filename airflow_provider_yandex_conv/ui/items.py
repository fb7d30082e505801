"""An item of a conversation as the page shows it: whatever it holds, and no more of it than anybody can read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from airflow_provider_yandex_conv.ui import markdown

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Item

#: Characters of one text that are shown.
MAX_TEXT = 10_000
#: Characters of a whole page that are read as Markdown, and the seconds that this may take, as it takes long where
#: somebody wants it to; what comes behind is shown as it stands.
MAX_MARKDOWN = 100_000
MAX_MARKDOWN_SECONDS = 0.2
#: Characters of a whole page.
MAX_PAGE = 400_000
#: Parts of one item.
MAX_PARTS = 100
#: Characters of an address that is a link.
MAX_URL = 2_000
#: Characters of a name, such as that of a tool.
MAX_NAME = 100
_TEXT_PARTS = {"text", "input_text", "output_text", "summary_text", "reasoning_text"}
_ENVELOPE = {"id", "type", "status", "created_at", "object"}


@dataclass(frozen=True, slots=True)
class Text:
    """
    Something to read.

    :param html: Markdown that was rendered safely; None where ``plain`` is shown as it stands.
    :param is_cut: whether there is more of it than is shown.
    """

    plain: str
    html: Markup | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Something that is shown when it is asked for: a heading, and named texts."""

    title: str
    texts: tuple[tuple[str, Text], ...]


@dataclass(slots=True)
class Entry:
    """
    An item on the page.

    :param kind: ``message``, or the item's own type.
    :param role: who speaks, for a message.
    :param at: when, where the server says so.
    :param status: where it is another than ``completed``.
    """

    item_id: str
    kind: str
    role: str | None = None
    at: datetime | None = None
    status: str | None = None
    texts: list[Text] = field(default_factory=list)
    links: list[Markup] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)


class Reader:
    """Turns the items of one page into entries; one for each page, as the length of a page is limited as well."""

    def __init__(self) -> None:
        self._left = MAX_PAGE
        self._markdown_left = MAX_MARKDOWN
        self._seconds_left = MAX_MARKDOWN_SECONDS

    def entries(self, items: Iterable[Item]) -> list[Entry]:
        """Return the entries of items, in their order."""
        return [self._entry(item) for item in items]

    def _entry(self, item: Item) -> Entry:
        raw = item.raw
        status = raw.get("status")
        is_message = item.type == "message"
        entry = Entry(
            item_id=_name(item.id),
            kind=_name(item.type),
            role=_name(item.role or "nobody") if is_message else None,
            at=moment(raw.get("created_at")),
            status=_name(status) if isinstance(status, str) and status != "completed" else None,
        )
        if is_message:
            for part in _parts(raw.get("content")):
                self._add_part(entry, part)
        else:
            entry.folds.append(self._fold(item))
        return entry

    def _add_part(self, entry: Entry, part: Mapping[str, Any]) -> None:
        kind, text = _name(part.get("type")), part.get("text")
        if kind in _TEXT_PARTS and isinstance(text, str):
            entry.texts.append(self._text(text))
            entry.links.extend(_citations(part.get("annotations")))
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            entry.texts.append(self._text(part["refusal"]))
            entry.status = "refused"
        elif kind in {"input_image", "input_file"}:
            entry.links.append(_attachment(part))
        else:
            entry.folds.append(Fold(kind, (("", self._plain(_pretty(part))),)))

    def _fold(self, item: Item) -> Fold:
        raw = item.raw
        named = raw.get("name") or raw.get("server_label") or raw.get("call_id")
        title = f"{_name(item.type)} {_name(named)}" if named else _name(item.type)
        shown = islice(((name, value) for name, value in raw.items() if name not in _ENVELOPE), MAX_PARTS)
        return Fold(title, tuple((_name(name), self._plain(_pretty(value))) for name, value in shown))

    def _text(self, text: str) -> Text:
        shown = self._plain(text)
        if len(shown.plain) > self._markdown_left or self._seconds_left < 0:
            return shown
        began = time.perf_counter()
        html = markdown.render(shown.plain)
        self._seconds_left -= time.perf_counter() - began
        self._markdown_left -= len(shown.plain)
        return replace(shown, html=html)

    def _plain(self, text: str) -> Text:
        shown = text[: min(MAX_TEXT, self._left)]
        self._left -= len(shown)
        return Text(shown, is_cut=len(text) > len(shown))


def moment(seconds: Any) -> datetime | None:
    """Return the moment of Unix seconds, or None if it is none."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc) if type(seconds) in {int, float} else None
    except (ValueError, OverflowError, OSError):
        return None


def _parts(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    for part in content[:MAX_PARTS] if isinstance(content, list) else []:
        yield part if isinstance(part, dict) else {"type": "text", "text": _pretty(part)}


def _citations(annotations: Any) -> Iterator[Markup]:
    for one in annotations[:MAX_PARTS] if isinstance(annotations, list) else []:
        if isinstance(one, dict) and isinstance(one.get("url"), str):
            yield _link(one["url"], _name(one.get("title") or "source"))


def _attachment(part: Mapping[str, Any]) -> Markup:
    """Return a link to what was attached: nothing is loaded by the page."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image or part.get("file_url")
    what = "image" if part.get("type") == "input_image" else "file"
    label = _name(part.get("filename") or part.get("file_id") or what)
    if not isinstance(url, str):
        size = f" of {len(part['file_data'])} characters" if isinstance(part.get("file_data"), str) else ""
        return Markup("{} <bdi>{}</bdi>{}").format(what, label, size)
    if url[:5].lower() == "data:":
        return Markup("{} <bdi>{}</bdi> of {} characters, not shown").format(what, label, len(url))
    return _link(url, label)


def _link(url: str, label: str) -> Markup:
    if len(url) > MAX_URL:
        return Markup("<bdi>{}</bdi> (an address of {} characters)").format(label, len(url))
    return markdown.link(url, label)


def _pretty(value: Any) -> str:
    """Return a value for people: text as it is, JSON in text laid out, anything else as JSON as far as it is shown."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT or not value.lstrip().startswith(("{", "[")):
            return value
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    text = ""
    try:
        for piece in json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(value):
            text += piece
            if len(text) > MAX_TEXT:
                break
    except RecursionError:
        return "(nested too deeply to be shown)"
    return text


def _name(value: Any) -> str:
    """Return a short text in one line, of what should be a text."""
    text = value if isinstance(value, str) else _pretty(value)
    return " ".join(text[:MAX_NAME].split())
