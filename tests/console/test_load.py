"""A file in a browser: looked at by its first bytes, checked as a whole, and never in the memory of the page."""

import os
from pathlib import Path

import pytest

from tests.console.axe import violations
from tests.console.conftest import Visit

_MARKUP = "<img src=x onerror=alert(1)>"
_LARGE_BYTES = 256 * 1024**2
_MOST_HEAP_BYTES = 16 * 1024**2


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    file = tmp_path / f"{_MARKUP}.csv"
    rows = "".join(f"p{number};p{number}@example.com;x\n" for number in range(3))
    file.write_text(f"Kundennummer;E-Mail;{_MARKUP}\n{rows};{_MARKUP};\n")
    return file


def test_a_file_is_mapped_checked_and_written(visit: Visit, csv_file: Path) -> None:
    page = visit.open("/load")
    page.locator("[type=file]").set_input_files(csv_file)
    page.get_by_label("Entity type").select_option("player")
    page.get_by_label("Column for externalId").select_option(label="Kundennummer")
    check = page.get_by_role("button", name="Check all of it")
    page.get_by_text("Say what becomes of the columns that fill no field").wait_for()
    assert check.is_disabled()
    page.get_by_label(f"What becomes of the column {_MARKUP}").select_option("leave")
    page.get_by_text("sluice load --kind entities --type player").wait_for()
    assert page.locator("img").count() == 0
    assert violations(page) == {}
    check.click()
    page.wait_for_url("**/jobs/job_*")
    visit.run_jobs()
    page.reload()
    page.get_by_text("3 of 4 would be taken, 1 refused.").wait_for()
    assert page.locator("img").count() == 0
    page.get_by_role("button", name="Write what was checked…").click()
    page.get_by_role("button", name="Yes, do it").click()
    page.wait_for_url("**/jobs/job_*said=written")
    visit.run_jobs()
    page.reload()
    page.get_by_text("3 of 4 taken, 1 refused.").wait_for()


def test_a_large_file_costs_the_page_no_memory(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "large.ndjson"
    with file.open("wb") as sparse:
        sparse.write(b'{"entityType": "player", "externalId": "p", "data": {"email": "p@example.com"}}\n')
        os.truncate(sparse.fileno(), _LARGE_BYTES)
    page = visit.open("/load")
    debugger = page.context.new_cdp_session(page)

    def heap() -> int:
        debugger.send("HeapProfiler.collectGarbage")
        return int(debugger.send("Runtime.getHeapUsage")["usedSize"]) + int(
            debugger.send("Runtime.getHeapUsage").get("backingStorageSize", 0)
        )

    before = heap()
    page.locator("[type=file]").set_input_files(file)
    page.get_by_role("button", name="Check all of it").click()
    seen = 0
    with page.expect_navigation(url="**/jobs/job_*", timeout=60_000):
        page.locator("#sent:not([value='0'])").wait_for()
        seen = heap()
    assert seen - before < _MOST_HEAP_BYTES


def test_a_file_is_checked_without_a_script(visit: Visit, csv_file: Path) -> None:
    page = visit.open("/load", java_script_enabled=False)
    page.locator("[type=file]").set_input_files(csv_file)
    page.get_by_role("button", name="Look at the file").click()
    page.get_by_label("Entity type").select_option("player")
    page.get_by_label("Column for externalId").select_option(label="Kundennummer")
    page.get_by_label(f"What becomes of the column {_MARKUP}").select_option("leave")
    page.locator("[type=file]").set_input_files(csv_file)
    page.get_by_role("button", name="Look at the file").click()
    page.locator("[type=file]").set_input_files(csv_file)
    page.get_by_role("button", name="Check all of it").click()
    page.wait_for_url("**/jobs/job_*")
