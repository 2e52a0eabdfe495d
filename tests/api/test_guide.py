"""`/guide` serves what `make docs` has built, and nothing else of the machine."""

import base64
import hashlib
from pathlib import Path

import pytest
from flask import Flask

from app import guide

_SCRIPT = "document.body.dataset.theme = 'auto';"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A guide of two pages, and a file beside it that is none of it."""
    pages = tmp_path / "guide_pages"
    for folder, text in (("", "front"), ("how-to/operate", "operate")):
        (pages / folder).mkdir(parents=True, exist_ok=True)
        (pages / folder / "index.html").write_text(f"<h1>{text}</h1><script>{_SCRIPT}</script>")
    (pages / "searchindex.js").write_text("1")
    (tmp_path / "secret.html").write_text("secret")
    monkeypatch.setattr(guide, "PAGES", pages)
    return pages


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("path", "text"), [("/guide/", "front"), ("/guide/how-to/operate/", "operate"), ("/guide/index.html", "front")]
)
def test_a_page_is_served_and_its_own_script_alone_runs(app: Flask, path: str, text: str) -> None:
    client = app.test_client()
    with client.get(path) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        assert f"<h1>{text}</h1>" in answer.text
        policy, tag = answer.headers["Content-Security-Policy"], answer.headers["ETag"]
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'self' 'sha256-{digest}'; " in policy
    with client.get(path, headers={"If-None-Match": tag}) as again:
        assert (again.status_code, again.headers["Content-Security-Policy"]) == (304, policy)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(("path", "to"), [("/guide", "guide/"), ("/guide/how-to/operate", "operate/")])
def test_a_folder_leads_to_its_page_under_any_prefix_of_a_proxy(app: Flask, path: str, to: str) -> None:
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, to)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "name",
    [
        *("../secret.html", "..%2fsecret.html", "%2e%2e/secret.html", "how-to/../../secret.html", "./../secret.html"),
        *("//etc/passwd", "%2fetc%2fpasswd", "how-to/../..", "..", "..\\secret.html", "none", "index.html/", "a%00b"),
    ],
)
def test_nothing_beside_the_guide_is_served(app: Flask, name: str) -> None:
    answer = app.test_client().get(f"/guide/{name}")
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "NOT_FOUND"


def test_a_guide_that_is_not_built_says_how_to_build_it(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "PAGES", tmp_path / "none")
    answer = app.test_client().get("/guide/")
    assert answer.status_code == 404
    assert "`make docs` builds it" in answer.get_json()["error"]["message"]
