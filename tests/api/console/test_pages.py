"""All pages have in common: nothing inline, nothing from elsewhere, and few bytes."""

import re
from pathlib import Path

import pytest
from flask import Flask

from app.console import assets
from app.console.assets import ASSETS
from tests.api.console.conftest import Browser

_FOLDER = Path(assets.__file__).parent
_TEMPLATES = sorted((_FOLDER / "templates" / "console").glob("*.html"))
_MOST_BYTES = 40_000

# A strict policy refuses these, or they need `eval`: https://four.htmx.org/docs
_INLINE = re.compile(
    r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|hx-on|hx-vals|hx-live|js:|javascript:|\|\s*safe\b"
    r'|hx-trigger="[^"]*\[',
    re.IGNORECASE,
)


@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_nothing_inline(template: Path) -> None:
    assert _INLINE.findall(template.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda path: path.stem)
def test_a_template_names_no_other_host(template: Path) -> None:
    assert re.findall(r"(?:https?:)?//\w", template.read_text(encoding="utf-8")) == []


def test_script_and_styles_have_at_most_40_kb_packed() -> None:
    sizes = {name: len(asset.packed) for name, asset in ASSETS.items()}
    assert sum(sizes.values()) <= _MOST_BYTES, sizes


def test_a_file_is_kept_for_good_under_the_name_of_its_content(app: Flask) -> None:
    for asset in ASSETS.values():
        answer = app.test_client().get(f"/console/static/{asset.name}", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert (answer.data, answer.headers["Content-Encoding"]) == (asset.packed, "gzip")
        plain = app.test_client().get(f"/console/static/{asset.name}")
        assert (plain.data, plain.headers["Content-Type"]) == (asset.text, asset.media)
        assert "Content-Encoding" not in plain.headers


def test_an_address_that_is_not_there_is_a_page_that_says_so(browser: Browser) -> None:
    for path in ("/nothing", "/static/nothing.js", "/jobs/nothing", f"/jobs/job_{'0' * 32}"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_files_of_others_are_as_they_were_published_with_their_licences() -> None:
    vendor = _FOLDER / "static" / "vendor"
    told = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (vendor / "SHA256SUMS").read_text(), re.MULTILINE)[::1])
    found = {path.name for path in vendor.iterdir()} - {"SHA256SUMS"}
    assert set(told.values()) == found
    assert {name.partition("-")[0].partition(".")[0] for name in found} == {"htmx", "pico"}
