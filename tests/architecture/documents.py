"""The pages that people read: the README and the documentation, with their code blocks and tables."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What the documentation is built of, and no code.
DIRECTIVES = {"{toctree}", "{eval-rst}"}


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    page: str
    language: str
    code: str

    def __str__(self):
        return f"{self.page}: {self.first_line}"

    @property
    def first_line(self):
        return self.code.split("\n")[0]


def _blocks(page):
    fence = re.compile(r"^( *)```(\S+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    for _, language, code in fence.findall(page.read_text()):
        if language not in DIRECTIVES:
            yield Block(str(page.relative_to(ROOT)), language, textwrap.dedent(code))


BLOCKS = [block for page in PAGES for block in _blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def blocks(among, start):
    """Return the blocks that begin with a text, of which there is one at least."""
    found = [block for block in among if block.code.startswith(start)]
    assert found, start
    return found


def table(page, heading):
    """Return the rows of the first table below a heading."""
    below = re.split(rf"^#+ {heading}\n", (ROOT / page).read_text(), flags=re.MULTILINE)[1]
    lines = re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]
