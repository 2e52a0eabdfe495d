"""Sphinx's settings: `make docs` builds these pages into `app/guide_pages`, where the web process serves them.

The built pages ask no other host for anything, so the guide is read offline, at the version that runs.
"""

import posixpath
import re
import tomllib
from pathlib import Path, PurePosixPath

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[1]

project = "Sluice"
author = "The authors of Sluice"
project_copyright = author
version = release = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4  # the anchors that GitHub makes, so that a link works in both places

add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # what a class is said to have may be described where it has it, too
# Types of Python's own and of other packages have no page here, nor has what only the client itself makes.
nitpick_ignore_regex = [("py:.*", r"(?!sluice_client\.).*|sluice_client\.(_|frames\.).*")]

html_theme = "furo"
html_title = f"Sluice {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None  # two builds of the same pages are the same
html_theme_options = {"source_repository": "", "top_of_page_buttons": []}

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+)(#[^)\s]*)?\)")
# Pages from elsewhere that the guide includes, and where.
_INCLUDED = {
    "clients/python/README.md": "reference/python-client.md",
    "clients/typescript/README.md": "reference/typescript-client.md",
}


def _relinked(text: str, folder: PurePosixPath) -> str:
    """Point links at pages of the guide; one to another file of the repository, such as a test, is its text alone.

    Args:
        text: of a page.
        folder: the page's, in the repository.
    """

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(folder / found[2])
        page = _INCLUDED.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        return found[1] if page is None else f"[{found[1]}](/{page}{found[3] or ''})"

    return _LINK.sub(link, text)


def _read_page(_app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = _relinked(source[0], ("docs" / PurePosixPath(name)).parent)


def _read_included(_app: Sphinx, path: Path, _parent: str, source: list[str]) -> None:
    source[0] = _relinked(source[0], PurePosixPath(posixpath.normpath(PurePosixPath("docs") / path)).parent)


def _leave_out(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Leave out what a module says of itself: maps for readers of the source, in no markup."""
    if what == "module":
        lines.clear()


def setup(app: Sphinx) -> None:
    """Have Sphinx read diagrams as text, since a script that draws them would come from another host."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _read_page)
    app.connect("autodoc-process-docstring", _leave_out)
    app.connect("include-read", _read_included)
