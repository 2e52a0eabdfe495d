"""The pages of docs/reference that are made of the source are as they would be made now."""

from pathlib import Path

import pytest

from reference import PAGES

_FOLDER = Path(__file__).parents[2] / "docs" / "reference"
_BY_HAND = {"glossary", "log-events", "python-client", "typescript-client"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_source_makes_it(name):
    page = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page == PAGES[name](), f"docs/reference/{name}.md is out of date: run `make docs-reference`"


def test_no_page_of_the_reference_is_left_that_nothing_makes():
    assert {page.stem for page in _FOLDER.glob("*.md")} == set(PAGES) | _BY_HAND
