"""Sphinx's settings: `make docs` builds these pages into `app/guide_pages`, where the web process serves them.

The built pages ask no other host for anything, so the guide is read offline, at the version that runs.
"""

import re
import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[1]

project = "Sluice"
author = "The authors of Sluice"
project_copyright = author
version = release = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4  # the anchors that GitHub makes, so that a link works in both places

html_theme = "furo"
html_title = f"Sluice {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None  # two builds of the same pages are the same
html_theme_options = {"source_repository": "", "top_of_page_buttons": []}

# A link to a file that is no page, such as a test: the guide has its text alone.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./){2}[^)]+\)")


def _unlink_files(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Take the links to files of the repository out of a page: they lead nowhere from a running server."""
    source[0] = _OUTSIDE.sub(r"\1", source[0])


def setup(app: Sphinx) -> None:
    """Have Sphinx read diagrams as text, since a script that draws them would come from another host."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _unlink_files)
