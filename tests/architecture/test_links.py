"""Every link from one page of ours to another leads somewhere: to a file, and to a heading in it."""

from __future__ import annotations

import re

import pytest

from documents import PAGES, ROOT

READ = [*PAGES, ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(page):
    """Return a page without its code."""
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]+`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and our documentation make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", READ, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert target.is_relative_to(ROOT), path
        if anchor:
            assert anchor in anchors(target), f"{path}#{anchor}"


def test_every_page_is_reached_from_the_first():
    """The build says so as well, where there is one."""
    listed = re.findall(r"```\{toctree\}\n(.*?)```", (ROOT / "docs" / "index.md").read_text(), re.DOTALL)
    names = {line for entry in listed for line in entry.splitlines() if line and not line.startswith(":")}
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES if page.name != "README.md"}
    assert names == pages - {"index"}
