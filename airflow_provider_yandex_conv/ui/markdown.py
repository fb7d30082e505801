"""
Markdown that somebody else wrote, as HTML that does no harm.

No HTML passes through, nothing is loaded from anywhere, and a link leads to the web or to a mail program only, with its
host in sight. Each block finds its own direction of writing, so that no text can turn its neighbours around.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup, escape

SCHEMES = ("http", "https", "mailto")
#: Cells of all tables of a text: rows are filled up to the width of the head, so that few characters become very many.
MAX_CELLS = 10_000
REL = "noopener noreferrer nofollow"
_BLOCKS = {
    "paragraph_open",
    "heading_open",
    "blockquote_open",
    "bullet_list_open",
    "ordered_list_open",
    "list_item_open",
    "th_open",
    "td_open",
}


def render(text: str) -> Markup:
    """Return text as HTML."""
    lines = text.splitlines()
    cells = len(lines) * max((line.count("|") for line in lines), default=0)
    return Markup(_markdown(with_tables=cells <= MAX_CELLS).render(text))  # noqa: S704  # that is what it is for


def link(url: str, label: str) -> Markup:
    """Return a link, with its address beside it where the label is another; plain text if it leads nowhere allowed."""
    if not is_allowed(url):
        return Markup("<bdi>{}</bdi> <bdi>{}</bdi>").format(label, url)
    return Markup('<a href="{}" rel="{}" target="_blank"><bdi>{}</bdi></a>{}').format(
        url, REL, label, _destination(url, label)
    )


def is_allowed(url: str) -> bool:
    """Whether a link may lead there. What browsers and people may read in two ways leads nowhere."""
    if "\\" in url or any(character <= " " for character in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return True
    return parts.scheme in SCHEMES and bool(parts.hostname) and "@" not in parts.netloc


def _destination(url: str, label: str) -> Markup:
    if label.strip() == url:
        return Markup()
    parts = urlsplit(url)
    return Markup(' <bdi class="to">({})</bdi>').format(parts.netloc or parts.path)


@cache
def _markdown(*, with_tables: bool) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    markdown.enable(["table", "strikethrough"] if with_tables else ["strikethrough"])
    markdown.validateLink = is_allowed  # type: ignore[method-assign]
    markdown.core.ruler.push("safety", _mark)
    return markdown


def _mark(state: StateCore) -> None:
    """Note at each token what its neighbours have to say about how it is written."""
    for token in state.tokens:
        if token.type in _BLOCKS:
            token.attrSet("dir", "auto")
        if token.type in {"th_open", "td_open"} and "style" in token.attrs:
            # The policy of the page allows no style but those of its own sheet.
            token.attrSet("class", str(token.attrs.pop("style")).removeprefix("text-align:"))
        if token.type == "inline":
            _mark_links(token.children or [])


def _mark_links(tokens: Sequence[Token]) -> None:
    url, label = None, ""
    for token in tokens:
        if token.type == "link_open":
            url, label = str(token.attrs.get("href", "")), ""
        elif token.type == "link_close" and url is not None:
            token.meta["destination"] = _destination(url, label)
            url = None
        elif url is not None:
            label += token.content
            token.meta["in_link"] = True


class _Renderer(RendererHTML):
    """Writes links with where they lead to, and images as links: nothing is loaded."""

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _html('<a href="{}" rel="{}" target="_blank"><bdi>', tokens[index].attrs.get("href", ""), REL)

    def link_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return f"</bdi></a>{tokens[index].meta.get('destination', '')}"

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        label = f"image: {self.renderInlineAsText(token.children or [], options, env)}"
        inner = escape(label) if token.meta.get("in_link") else link(str(token.attrs.get("src", "")), label)
        return _html("{}", inner)

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _html('<pre dir="auto"><code>{}</code></pre>\n', tokens[index].content)

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return self.fence(tokens, index, options, env)

    def code_inline(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _html('<code dir="auto">{}</code>', tokens[index].content)


def _html(template: str, *values: object) -> str:
    """Fill values into HTML. Not as ``Markup``, which would escape what markdown-it puts before and behind it."""
    return template.format(*(escape(value) for value in values))
