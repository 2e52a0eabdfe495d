"""The pages name what is there: files, headings, sections, timeouts, and the test that shows each fault."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.jobs import JobState

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "docs" / "contracts"
_FOLDERS_OF_PAGES = ("benchmarks", "clients", "docs", "examples")
_FOREIGN = "node_modules"
_PRODUCT = ("app", "cli", "ingest", "worker")
_SEARCHED = (*_PRODUCT, "benchmarks", "clients", "deploy", "docs", "tests")
_TEXTS = {".md", ".py", ".sql", ".template"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED_PAGE = re.compile(r"(?<![\w./…-])[\w./-]+\.md\b|(?<![\w./…-])docs/[\w./-]*\w")
_FILE = re.compile(r"`((?:app|benchmarks|cli|deploy|ingest|tests|worker)/[\w./-]+)`")
# A comment may break the line anywhere between the path and the number, or inside a heading.
_SECTION = re.compile(r"docs/contracts/(\w+)\.md[\s#(]+sections?[\s#]+(\d+)(?:[\s#]+and[\s#]+(\d+))?")
_HEADING = re.compile(r'docs/([\w/-]+)\.md,[\s#]+"([^"]+)"')


def files(folder: str, pattern: str = "*") -> list[Path]:
    """The files below a folder that are ours."""
    return sorted(file for file in (ROOT / folder).rglob(pattern) if _FOREIGN not in file.parts)


PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in _FOLDERS_OF_PAGES for page in files(folder, "*.md"))])


def texts(*folders: str) -> Iterator[tuple[Path, str]]:
    """The files of folders, and what they say."""
    for folder in folders:
        for file in files(folder):
            if file.suffix in _TEXTS:
                yield file, file.read_text(encoding="utf-8")


def anywhere() -> Iterator[tuple[Path, str]]:
    """The files in which a page may be named, and what they say."""
    yield from ((page, page.read_text(encoding="utf-8")) for page in sorted(ROOT.glob("*.md")))
    yield from texts(*_SEARCHED)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if ":" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_that_is_named_anywhere_is_there() -> None:
    missing = [
        f"{file.relative_to(ROOT)}: {path}"
        for file, text in anywhere()
        for path in _NAMED_PAGE.findall(text)
        if not (ROOT / path).exists() and not (file.parent / path).exists()
    ]
    assert missing == []


def test_every_section_that_is_named_is_there() -> None:
    sections = [
        (file, CONTRACTS / f"{contract}.md", number)
        for file, text in anywhere()
        for contract, *numbers in _SECTION.findall(text)
        for number in filter(None, numbers)
    ]
    assert len(sections) > 30
    missing = [
        f"{file.relative_to(ROOT)}: section {number} of {page.name}"
        for file, page, number in sections
        if not any(heading.startswith(f"{number}. ") for heading in headings(page))
    ]
    assert missing == []


def test_every_heading_that_is_named_is_there() -> None:
    named = [
        (file, ROOT / "docs" / f"{page}.md", re.sub(r"[\s#]+", " ", heading))
        for file, text in anywhere()
        for page, heading in _HEADING.findall(text)
    ]
    missing = [f"{file.relative_to(ROOT)}: {heading}" for file, page, heading in named if heading not in headings(page)]
    assert missing == []


def test_every_file_that_a_page_names_is_there() -> None:
    named = [
        (page, path)
        for page in PAGES
        if page.name != "CHANGELOG.md"  # its older entries name what was there then
        for path in _FILE.findall(page.read_text(encoding="utf-8"))
        if "notes" not in path  # the example of docs/how-to/add-a-kind.md
    ]
    assert len(named) > 100
    assert [f"{page.relative_to(ROOT)}: {path}" for page, path in named if not (ROOT / path).exists()] == []


def test_every_function_of_the_table_of_moves_is_there() -> None:
    found = [
        (name, file)
        for *_, where, _ in rows("explanation/how-it-works", "\n## The states of a job\n")
        for names, file in re.findall(r"^(.+) in `([\w/]+\.py)`$", where)
        for name in re.findall(r"`(\w+)`", names)
    ]
    assert len(found) > len(JobState)
    assert [name for name, file in found if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")] == []


def rows(page: str, after: str = "") -> list[list[str]]:
    """The cells of the tables of a page, or of those below a heading."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").partition(after)[2]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]


# Pages whose tables end in the tests that show each row.
SHOWN = {
    page: [row for row in rows(f"explanation/{page}", "\n") if row[-1] not in {"test", "tests"}]
    for page in ("faults", "promises", "security")
}
_RISKS = "\n## OWASP API Security Top 10 (2023)\n"


def test_every_fault_and_every_attack_has_a_row() -> None:
    assert len(SHOWN["faults"]) > 50
    assert len(SHOWN["security"]) > 30
    assert len(SHOWN["promises"]) > 5


def test_each_of_the_ten_risks_has_a_row() -> None:
    assert [row[0].split()[0] for row in rows("explanation/security", _RISKS)[1:]] == [
        f"API{number}" for number in range(1, 11)
    ]


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=f"{page}: {row[0]}") for page, shown in SHOWN.items() for row in shown],
)
def test_a_row_is_linked_to_the_tests_that_show_it(row: list[str]) -> None:
    links = re.findall(r"\[`(test_\w+)`\]\(\.\./\.\./(tests/[\w/]+\.py)\)", row[-1])
    assert links, "a row names its test"
    for name, file in links:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"


# The timeout of each row, its value, the file that sets it, and a name or text on the line that does.
TIMEOUTS = [
    (timeout, value, file, name)
    for timeout, value, set_in, *_ in rows("explanation/how-it-works", "\n## All timeouts\n")
    for file, name in re.findall(r"`([\w./-]+)` `([^`]+)`", set_in)
]


def numbers(text: str) -> list[float]:
    found = re.findall(r"(?<![\w.])\d+(?:[,_]\d{3})*(?:\.\d+)?", text)
    return [float(number.replace(",", "").replace("_", "")) for number in found]


@pytest.mark.parametrize(("timeout", "value", "file", "name"), TIMEOUTS)
def test_a_timeout_is_set_where_the_table_says(timeout: str, value: str, file: str, name: str) -> None:
    lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if name in line]
    assert lines, f"{timeout}: {file} has no {name}"
    if numbers(value):
        assert any(numbers(value)[0] in numbers(line) for line in lines), f"{timeout}: {value} in {file}"


def test_every_constant_of_seconds_is_in_the_table_of_timeouts() -> None:
    told = {(file, name) for _, _, file, name in TIMEOUTS}
    missing = [
        f"{file.relative_to(ROOT)}: {name}"
        for file, text in texts(*_PRODUCT)
        if file.name != "faultpoints.py"  # tests alone set its variables
        for name in re.findall(r"^(_?[A-Z_]*SECONDS) =", text, re.MULTILINE)
        if (str(file.relative_to(ROOT)), name) not in told
    ]
    assert missing == []


def test_old_words_of_the_glossary_are_still_in_the_code() -> None:
    product = "\n".join(text for _, text in texts(*_PRODUCT))
    former = [word for term, *_ in rows("reference/glossary", "\n") for word in re.findall(r"`([^`]+)`", term)]
    assert [word for word in former if word not in product] == []
