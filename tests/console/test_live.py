"""Live parts of pages: they follow their jobs, and leave alone what a person is at."""

from typing import Any

from playwright.sync_api import Page, expect

from ingest.db.connection.pool import transaction
from ingest.db.jobs import claims, control
from ingest.ids import JOB, parse
from tests.console.conftest import Visit
from tests.support.factories import entity

# A live part is given a moment more than its two seconds.
_SOON = 8_000

# Counts changes of the page below an element, from then on.
_COUNT_CHANGES = """
element => { window.changes = 0; new MutationObserver(found => { window.changes += found.length })
    .observe(element, { subtree: true, childList: true, attributes: true, characterData: true }) }
"""
# The test sees all streams of the page.
_STREAMS = """
window.streams = []
window.EventSource = class extends EventSource { constructor(address) { super(address); window.streams.push(this) } }
"""
# A part that lives asks when it is told, and never by itself.
_ASKS_NEVER = f"""{_STREAMS}
const repeat = window.setInterval
window.setInterval = (act, wait) => wait === 2000 ? 0 : repeat(act, wait)
"""
_CLOSED = 2
_OPENED = "streams[0].readyState === EventSource.OPEN || new Promise(told => { streams[0].onopen = () => told(true) })"
_SHOW = """
isShown => { Object.defineProperty(document, "hidden", { value: !isShown, configurable: true })
    document.dispatchEvent(new Event("visibilitychange")) }
"""


def _wake(page: Page) -> None:
    """Have the live parts ask now; the page asks each two seconds by itself."""
    page.evaluate("for (const part of document.querySelectorAll('[data-live]')) part.dispatchEvent(new Event('wake'))")


def _answered(page: Page, **options: Any) -> Any:
    return page.expect_response(lambda response: "/live?" in response.url, **options)


def test_rows_follow_their_jobs_and_leave_alone_what_a_person_is_at(visit: Visit) -> None:
    jobs = [visit.submit() for _ in range(3)]
    page = visit.open()
    box, link = page.locator(f"#tick-{jobs[0]}"), page.locator(f"#open-{jobs[1]}")
    box.check()
    page.evaluate("document.querySelector('#filters').open = true")
    link.focus()
    row = page.locator(f"#row-{jobs[2]}").element_handle()
    visit.run_jobs()
    expect(page.locator(f"#row-{jobs[0]} .state")).to_have_text("completed", timeout=_SOON)
    expect(box).to_be_checked()
    expect(link).to_be_focused()
    expect(page.locator("#filters")).to_have_attribute("open", "")
    assert row.evaluate("row => row.isConnected"), "the row is the same one"
    expect(page.locator("#ticked")).to_have_text("1 ticked")


def test_a_page_where_nothing_moves_is_not_touched(visit: Visit) -> None:
    visit.submit()
    visit.run_jobs()
    page = visit.open()
    page.locator("#live").evaluate(_COUNT_CHANGES)
    with _answered(page) as first:
        _wake(page)
    assert first.value.status == 304
    changes = page.evaluate("window.changes")
    # The words of a time may change, and htmx marks that it asks; no more.
    kinds = page.evaluate("document.querySelectorAll('#live time').length + 4")
    assert changes <= kinds


def test_new_jobs_wait_behind_a_link_and_move_nothing(visit: Visit) -> None:
    visit.submit()
    page = visit.open()
    before = page.locator("tr[data-row]").count()
    new = visit.submit()
    expect(page.locator("#news-link")).to_have_text("1 new job: show", timeout=_SOON)
    assert page.locator("tr[data-row]").count() == before
    page.locator("#news-link").click()
    expect(page.locator(f"#row-{new}")).to_be_visible()


def test_a_live_part_waits_while_text_is_selected_or_a_person_says_so(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open()
    state = page.locator(f"#row-{job} .state")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    visit.run_jobs()
    _wake(page)
    _wake(page)
    expect(state).to_have_text("pending")
    page.evaluate("getSelection().removeAllRanges()")
    page.keyboard.press("r")
    expect(page.locator("#live-button")).to_have_attribute("aria-pressed", "true")
    _wake(page)
    expect(state).to_have_text("pending")
    page.keyboard.press("r")
    expect(state).to_have_text("completed", timeout=_SOON)


def test_a_dialog_that_is_open_stops_live_parts(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open(f"/jobs/{job}")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.locator("#confirm")).to_be_visible()
    visit.run_jobs()
    _wake(page)
    expect(page.locator("#live .state")).to_have_text("pending")
    page.get_by_role("button", name="Leave it").click()
    expect(page.locator("#live .state")).to_have_text("completed", timeout=_SOON)


def _begin(visit: Visit, job: str, *, done: int = 0) -> None:
    """Have a job begin, with so many items that are done beside its own."""
    job_id = parse(JOB, job)
    with transaction(visit.site.pool) as conn:
        assert claims.claim(conn, job_id)
        conn.execute("UPDATE jobs SET total = total + %s, created = %s WHERE id = %s", (done, done, job_id))


def test_a_job_s_page_is_told_of_progress_and_leaves_alone_what_a_person_is_at(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open(f"/jobs/{job}", init_script=_ASKS_NEVER)
    label, commands = page.locator("#label"), page.locator("#commands")
    label.fill("half of it")
    label.evaluate("field => { field.focus(); field.setSelectionRange(4, 4) }")
    commands.evaluate("details => { details.open = true }")
    _begin(visit, job, done=2)
    expect(page.locator("#progress")).to_have_attribute("value", "2", timeout=_SOON)
    expect(label).to_be_focused()
    assert label.evaluate("field => [field.value, field.selectionStart]") == ["half of it", 4]
    expect(commands).to_have_attribute("open", "")
    visit.run_jobs()
    expect(page.locator("#live .state")).to_have_text("completed", timeout=_SOON)
    assert page.evaluate("window.streams.map(stream => stream.readyState)") == [_CLOSED]


def test_a_job_s_page_catches_up_with_what_it_was_told_while_text_was_selected(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open(f"/jobs/{job}", init_script=_STREAMS)
    page.evaluate(_OPENED)
    expect(page.get_by_role("button", name="Stop live updates")).to_be_visible()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    page.evaluate("window.ended = new Promise(told => streams[0].addEventListener('end', () => told(true))); 0")
    visit.run_jobs()
    page.evaluate("window.ended")
    expect(page.locator("#live .state")).to_have_text("pending")
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#live .state")).to_have_text("completed", timeout=_SOON)


def test_a_tab_that_is_hidden_has_no_stream_and_catches_up_when_it_is_shown(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open(f"/jobs/{job}", init_script=_ASKS_NEVER)
    page.evaluate(_OPENED)
    page.evaluate(_SHOW, False)
    assert page.evaluate("window.streams.map(stream => stream.readyState)") == [_CLOSED]
    _begin(visit, job)
    page.evaluate(_SHOW, True)
    expect(page.locator("#live .state")).to_have_text("processing", timeout=_SOON)
    assert page.evaluate("window.streams.length") == 2


def test_a_job_s_page_without_a_stream_asks_by_itself(visit: Visit) -> None:
    job = visit.submit()
    page = visit.open(f"/jobs/{job}", refused="**/stream")
    visit.run_jobs()
    expect(page.locator("#live .state")).to_have_text("completed", timeout=_SOON)
    assert [fault for fault in visit.faults if "503" not in fault] == []
    visit.faults = []


def test_a_job_s_page_follows_it_to_its_end_and_then_asks_no_more(visit: Visit) -> None:
    job = visit.submit([entity(1, entityType="plyer")])
    page = visit.open(f"/jobs/{job}")
    visit.run_jobs()
    expect(page.locator("#live .state")).to_have_text("completed", timeout=_SOON)
    expect(page.locator("#facts")).to_contain_text("Ended")
    expect(page.locator("#causes")).to_contain_text("Unknown entity type")
    assert page.locator("[data-live]").count() == 0


def test_a_session_that_has_ended_sends_a_live_page_to_the_login(visit: Visit) -> None:
    visit.submit()
    page = visit.open()
    with transaction(visit.site.pool) as conn:
        conn.execute("DELETE FROM console_sessions WHERE tenant_id = %s", (visit.tenant.id,))
    expect(page.locator("#key")).to_be_visible(timeout=_SOON)
    visit.faults = [fault for fault in visit.faults if "401" not in fault]


def test_a_cancelled_job_is_told_apart_by_word_and_shape(visit: Visit) -> None:
    job = visit.submit()
    with transaction(visit.site.pool) as conn:
        assert control.cancel(conn, parse(JOB, job))
    page = visit.open()
    shape = page.locator(f"#row-{job} .mark").evaluate("mark => getComputedStyle(mark, '::before').content")
    assert "⊘" in shape
