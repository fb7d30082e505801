"""How Sphinx builds the documentation: ``make docs``. Nothing is fetched, neither here nor by who reads it."""

from __future__ import annotations

import re
from pathlib import Path
from pydoc import locate

from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from airflow_provider_yandex_conv import __version__

project = "airflow-provider-yandex-conv"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]

# Headings are linked as on pages of a repository: by their words, in lower case, with hyphens.
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = "airflow-provider-yandex-conv"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def leave_plain(app: Sphinx, env: BuildEnvironment, node: Element, content: Element) -> Element | None:
    """
    Show what has no page here as text: types in signatures, base classes, errors of other libraries.

    What a docstring refers to itself, by a role, has to have one, or be there by its whole name.
    """
    is_written = "refwarn" in node
    return None if is_written and locate(node["reftarget"]) is None else content


def refuse_what_is_fetched(app: Sphinx, exception: Exception | None) -> None:
    """
    Fail where a page would load something from elsewhere.

    :raises ExtensionError: a script, a style sheet, a font or an image with the address of a host.
    """
    if exception is not None:
        return
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*")
    styled = re.compile(r"(?:url\(|@import )['\"]?(?:https?:)?//[^)'\"]*")
    for pattern, kind in ((loaded, "*.html"), (styled, "*.css")):
        for file in Path(app.outdir).rglob(kind):
            found = pattern.search(file.read_text())
            if found:
                raise ExtensionError(f"{file.name} loads something from elsewhere: {found[0]}")


def setup(app: Sphinx) -> None:
    """Add the functions above."""
    app.connect("missing-reference", leave_plain)
    app.connect("build-finished", refuse_what_is_fetched)
