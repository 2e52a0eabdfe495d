"""The pages of error codes: `/docs/errors`, one a code below it, and `docs/reference/errors.md`, all made of `codes`.

`make docs-reference` writes the latter.
"""

import re
import textwrap
from collections.abc import Iterator
from html import escape

from flask import Blueprint, Response

from app import guide
from app.http.shapes import ERROR_PAGES
from app.openapi.codes import CODES, Code, address, places
from ingest.errors import NotFound

bp = Blueprint("error_pages", __name__, url_prefix=ERROR_PAGES)

_INTRODUCTION = (
    "A refused call of the operator API answers with `error.code`, and each item error, each warning and the `error` "
    "of a failed job has a `code`. The public API refuses calls for the same reasons, by the status and `detail` "
    "alone; its jobs have codes, too. Programs look at the code; the `message` beside it says what is wrong in this "
    "case."
)

_WIDTH = 128  # of Markdown, as of our other pages


@bp.get("", strict_slashes=False)
def index() -> Response:
    """Answer with the list of all codes."""
    listed = "\n".join(
        f'<li><a href="{address(code.name)}">{code.name}</a>: {_html(code.meaning)}</li>' for code in CODES.values()
    )
    return _page("Error codes", f"<p>{_html(_INTRODUCTION)}</p>\n<ul>\n{listed}\n</ul>")


@bp.get("/<name>")
def show(name: str) -> Response:
    """Answer with the page of a code.

    Raises:
        NotFound: there is no such code.
    """
    code = CODES.get(name)
    if code is None:
        raise NotFound(f"There is no error code {name[:50]!r}; {ERROR_PAGES} lists them all")
    rows = "\n".join(f"<dt>{title}</dt>\n<dd>{_html(text)}</dd>" for title, text in _rows(code))
    return _page(
        code.name,
        f'<p>{_html(code.meaning)}</p>\n<dl>\n{rows}\n</dl>\n<p><a href="{ERROR_PAGES}">All error codes</a></p>'
        f"{_in_the_guide(code) if guide.PAGES.is_dir() else ''}",
    )


def _in_the_guide(code: Code) -> str:
    """Return a link to the code's place in the guide, where the pages about its subject are at hand."""
    return f'\n<p><a href="{guide.bp.url_prefix}/reference/errors/#{code.name.lower()}">In the guide</a></p>'


def markdown() -> str:
    """Return all pages as one page of Markdown."""
    listed = "\n".join(f"| [`{code.name}`](#{code.name.lower()}) | {code.meaning} |" for code in CODES.values())
    pages = "\n".join(f"## {code.name}\n\n{_filled(code.meaning)}\n\n{_bullets(code)}\n" for code in CODES.values())
    return f"# Error codes\n\n{_filled(_INTRODUCTION)}\n\n| code | meaning |\n|---|---|\n{listed}\n\n{pages}"


def _bullets(code: Code) -> str:
    return "\n".join(_filled(f"- **{title}:** {text}", indent="  ") for title, text in _rows(code))


def _filled(text: str, indent: str = "") -> str:
    """Return a paragraph of Markdown, each line but the first indented."""
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _rows(code: Code) -> Iterator[tuple[str, str]]:
    """Yield the parts of a page, each with its title."""
    yield "Where it stands", f"{', '.join(places(code.name))}."
    yield "Cause", code.cause
    yield "What to do", code.remedy
    yield "A message", f"“{code.message}”"


def _page(title: str, content: str) -> Response:
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}: Sluice</title>\n<h1>{title}</h1>\n{content}\n</html>\n"
    )
    return Response(page, content_type="text/html; charset=utf-8")


def _html(text: str) -> str:
    """Return a text as HTML, with what stands in backquotes as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
