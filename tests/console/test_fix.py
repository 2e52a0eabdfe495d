"""The grid of failed items in a browser: mended by the keyboard alone, and nothing that was typed is lost."""

from collections.abc import Iterable
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from ingest.db.connection.pool import transaction
from tests.console.axe import violations
from tests.console.conftest import Visit
from tests.support.factories import entity

_MARKUP = "<img src=x onerror=alert(1)>"


def _players(count: int, *bad: int) -> list[dict[str, Any]]:
    """Return players of whom some lack their email."""
    return [
        entity(number, data={} if number in bad else {"email": f"p{number}@example.com"}) for number in range(count)
    ]


def _sent(visit: Visit, items: Iterable[Any]) -> str:
    """Send a large batch by the API; returns its job."""
    address = visit.site.address.replace("/console", "/operator-data-api/batch/entities")
    headers = {"Authorization": f"Bearer {visit.key}", "Content-Type": "application/x-ndjson"}
    body = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    with urlopen(Request(address, body, headers)) as answer:  # noqa: S310 # our own server
        return str(msgspec.json.decode(answer.read())["data"]["jobId"])


def _cell(page: Any, index: int, name: str) -> Any:
    return page.locator(f'[name="c.{index}./data/{name}"]')


def _kept(page: Any, index: int) -> Any:
    """Wait until the server has kept an edit of a row."""
    return page.locator(f"#i{index} .fixing.edited").wait_for()


def test_three_of_50_000_rows_are_mended_and_sent_by_the_keyboard_alone(visit: Visit) -> None:
    job_id = _sent(visit, _players(50_000, 7, 20_000, 49_999))
    visit.run_jobs()
    page = visit.open(f"/jobs/{job_id}")
    press = page.keyboard.press
    page.locator("#main").focus()
    for _ in range(60):  # along the page, to the link
        press("Tab")
        if page.evaluate("document.activeElement.matches('[data-errors]')"):
            break
    press("Enter")
    page.wait_for_url("**/errors*")
    _cell(page, 7, "email").focus()
    for number in (7, 20_000, 49_999):
        assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
        page.keyboard.type("wrong")
        press("Escape")
        page.keyboard.type(f"late{number}@example.com")
        press("Enter")
    for number in (7, 20_000, 49_999):
        _kept(page, number)
    page.get_by_role("button", name="Send 3 rows again").focus()
    press("Enter")
    page.locator("dialog[open] #yes").wait_for()
    assert "Send 3 edited rows again" in page.locator("#question").inner_text()
    press("Enter")
    page.wait_for_url("**/jobs/job_*said=sent")
    visit.run_jobs()
    page.goto(f"{visit.site.address}/jobs/{job_id}")
    assert "50,000" in page.locator("table.sums").inner_text()
    with transaction(visit.site.pool) as conn:
        assert conn.execute("SELECT FROM entities WHERE tenant_id = %s", (visit.tenant.id,)).rowcount == 50_000


def test_edits_stay_when_their_tab_is_closed_and_others_see_them(visit: Visit) -> None:
    job_id = visit.submit(_players(3, 0, 1))
    visit.run_jobs()
    first, other = (visit.open(f"/jobs/{job_id}/errors") for _ in range(2))
    _cell(first, 0, "email").fill("ada@example.com")
    _cell(first, 1, "email").focus()
    _kept(first, 0)
    first.close()
    other.locator("#marks").dispatch_event("wake")  # as after some seconds: a colleague sees it without a reload
    other.get_by_text("1 edited by test").wait_for()
    again = visit.open(f"/jobs/{job_id}/errors")
    # It is personal data, so that it comes back masked until somebody asks for it.
    assert _cell(again, 0, "email").get_attribute("placeholder") == "a•••@e•••.com"
    assert _cell(again, 0, "email").input_value() == ""
    again.get_by_role("button", name="Show email of row 0").click()
    assert _cell(again, 0, "email").input_value() == "ada@example.com"


def test_markup_in_an_item_is_text_in_its_cell(visit: Visit) -> None:
    item = entity(1, data={"country": _MARKUP, "nickname": f"{_MARKUP}\n{_MARKUP}"})
    job_id = visit.submit([item, {"entityType": _MARKUP}])
    visit.run_jobs()
    page = visit.open(f"/jobs/{job_id}/errors")
    assert _cell(page, 0, "country").input_value() == _MARKUP
    assert page.locator("img").count() == 0
    assert violations(page) == {}
