"""The README is short, leads everywhere, and its number is a measured one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FIRST_SCREEN = 40  # lines


def lines() -> list[str]:
    return (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(lines()) <= 150


def test_the_readme_leads_to_every_page_of_the_guide() -> None:
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")} - {"docs/index.md"}
    assert pages - set(re.findall(r"\]\(([\w./-]+\.md)", "\n".join(lines()))) == set()


def test_the_numbers_on_its_first_screen_are_those_of_the_benchmarks() -> None:
    numbers = re.findall(r"\d+,\d{3}", "\n".join(lines()[:_FIRST_SCREEN]))
    assert numbers, "the first screen says how fast it is"
    measured = (ROOT / "benchmarks/results.md").read_text(encoding="utf-8")
    assert [number for number in numbers if number not in measured] == []


def test_the_pictures_of_the_readme_are_there_for_light_and_for_dark() -> None:
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', "\n".join(lines()))
    assert {"light", "dark"} == {Path(picture).stem.rpartition("-")[2] for picture in pictures}
    assert [picture for picture in pictures if not (ROOT / picture).exists()] == []


def test_the_figures_of_pages_that_advise_are_those_of_the_benchmarks() -> None:
    measured = (ROOT / "benchmarks/results.md").read_text(encoding="utf-8")
    for name in ("sizing", "when-to-use-something-else"):
        page = (ROOT / "docs" / "explanation" / f"{name}.md").read_text(encoding="utf-8")
        numbers = re.findall(r"\d+,\d{3}(?:,\d{3})*", page)
        assert numbers, name
        assert [number for number in numbers if number not in measured] == [], name
