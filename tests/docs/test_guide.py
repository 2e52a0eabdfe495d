"""The guide is built without a warning, and its pages ask no other host for anything."""

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sluice_client

from app.openapi.codes import CODES

ROOT = Path(__file__).parents[2]
# A browser fetches these by itself; a link that a reader follows is none of it.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|srcset|data)=[\"']?([^\"'>\s]+)"
    r"|<link\b[^>]*\bhref=[\"']?([^\"'>\s]+)"
    r"|url\(\s*[\"']?([^\"')\s]+)"
    r"|@import\s+[\"']([^\"']+)"
)
_FOREIGN = re.compile(r"(?:https?:)?//")


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """The pages, as `make docs` builds them."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("`make .venv/documented` installs what builds the guide")
    pages = tmp_path_factory.mktemp("guide")
    build = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "dirhtml", "-d", pages / ".cache"]
    done = subprocess.run([*build, ROOT / "docs", pages], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pages


def fetched(text):
    return [address for groups in _FETCHED.findall(text) for address in groups if address]


def test_the_guide_has_a_page_for_each_of_docs(guide):
    sources = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    built = {page.parent.relative_to(guide) for page in guide.rglob("index.html")}
    assert {page for page in sources if page.name != "index"} <= built


def test_a_link_from_page_to_page_is_one_in_the_guide(guide):
    lost = []
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        built = guide / ("index.html" if name.name == "index" else f"{name}/index.html")
        article = built.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
        leads_to = {(built.parent / href).resolve() for href in re.findall(r'href="([^"#:]+)', article)}
        for link in re.findall(r"\]\(([\w./-]+\.md)", page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            if target.is_relative_to(ROOT / "docs"):
                place = guide / target.relative_to(ROOT / "docs").with_suffix("")
                lost += [] if place.resolve() in leads_to else [f"{name}: {link}"]
    assert lost == []


def test_no_page_and_no_style_asks_another_host(guide):
    files = [file for file in guide.rglob("*") if file.suffix in {".html", ".css"}]
    asked = {file.relative_to(guide): fetched(file.read_text(encoding="utf-8")) for file in files}
    assert any(addresses for addresses in asked.values())
    assert [(file, url) for file, urls in asked.items() for url in urls if _FOREIGN.match(url)] == []


def test_the_guide_has_a_place_for_each_error_code_by_its_name(guide):
    page = (guide / "reference" / "errors" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'id="(\w+)"', page)) >= {name.lower() for name in CODES}


def test_the_guide_describes_every_name_of_the_python_client(guide):
    page = (guide / "reference" / "python-client" / "index.html").read_text(encoding="utf-8")
    # Of what stands in a module, not in a class: a method of the same name would describe nothing.
    described = set(re.findall(r'<dt [^>]*id="sluice_client(?:\.[a-z]+)?\.(\w+)"', page))
    # The asynchronous classes have the same methods: the page says so.
    names = {name for name in sluice_client.__all__ if not name.startswith("Async")}
    assert names - described == set()


def test_the_wheel_carries_the_guide_where_it_is_built(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", "sluice_command.py"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "app" / "guide_pages" / "how-to").mkdir(parents=True)
    for file in ("__init__.py", "guide_pages/index.html", "guide_pages/how-to/style.css"):
        (tmp_path / "app" / file).touch()
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    subprocess.run(wheel, cwd=tmp_path, check=True, capture_output=True)
    [built] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(built).namelist())
    assert {"app/guide_pages/index.html", "app/guide_pages/how-to/style.css"} <= names


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://cdn.example/a.js">',
        "<link rel=preload href='//fonts.example/f.woff2'>",
        "@font-face { src: url( https://fonts.example/f ) }",
        '@import "https://fonts.example/f.css";',
        '<img alt="" src=http://a.example/b.png>',
    ],
)
def test_a_fetch_from_another_host_is_told_from_a_link(text):
    assert [url for url in fetched(text) if _FOREIGN.match(url)]
    assert fetched('<a href="https://a.example">') == []
