"""S1, the list of jobs."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.console.filters import OPEN, Filters
from ingest import ids
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control, lookup
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobOptions, JobState
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity, make_tenant

_ROW = re.compile(r'id="row-(job_[0-9a-f]{32})"')
_LIVE = re.compile(r'hx-get="/console([^"]+)"')
_BAD = entity(9, entityType="nothing")

Submit = Callable[..., str]


@pytest.fixture
def submit(pool: Pool, tenant: Tenant) -> Submit:
    """Accept a batch of the tenant's; returns the id of its job."""

    def store(items: Any = None, *, owner: Tenant = tenant, **overrides: Any) -> str:
        with transaction(pool) as conn:
            return ids.spell(ids.JOB, accept(conn, owner, "entities", items or [entity()], **overrides))

    return store


def _rows(browser: Browser, path: str = "/jobs", **options: Any) -> list[str]:
    answer = browser.get(path, **options)
    assert answer.status_code == 200, text_of(answer)
    return _ROW.findall(answer.get_data(as_text=True))


def _live(page: Any) -> str:
    [address] = _LIVE.findall(page.get_data(as_text=True))
    return str(address).replace("&amp;", "&")


def _cancel(pool: Pool, job: str) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, ids.parse(ids.JOB, job))


def test_jobs_are_listed_newest_first_and_those_of_others_never(browser: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
    submit(owner=stranger)
    jobs = [submit() for _ in range(3)]
    assert _rows(browser) == jobs[::-1]


def test_an_operator_sees_the_jobs_of_all_tenants_or_of_one(operator: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        other, _ = make_tenant(conn, name="Stranger")
    jobs = [submit(), submit(owner=other)]
    page = operator.get("/jobs")
    assert _ROW.findall(page.get_data(as_text=True)) == jobs[::-1]
    assert "Stranger" in text_of(page)
    assert _rows(operator, f"/jobs?tenant={other.public_id}") == [jobs[1]]


def test_pages_follow_one_another_by_the_last_job_of_each(
    browser: Browser, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.console.jobs.ROWS", 2)
    jobs = [submit() for _ in range(5)][::-1]
    seen, path = [], "/jobs"
    while path:
        page = browser.get(path).get_data(as_text=True)
        seen += _ROW.findall(page)
        found = re.search(r'rel="next" href="/console([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert seen == jobs


def test_filters_stand_in_the_address_and_are_kept_on_the_page(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int], pool: Pool
) -> None:
    good, bad = submit([entity()], options=JobOptions(label="good one")), submit([_BAD])
    run_jobs()
    cancelled, waiting = submit(), submit()
    _cancel(pool, cancelled)
    assert _rows(browser, "/jobs?state=completed") == [bad, good]
    assert _rows(browser, "/jobs?state=cancelled,pending") == [waiting, cancelled]
    assert _rows(browser, "/jobs?state=cancelled&state=pending") == [waiting, cancelled]
    assert _rows(browser, "/jobs?errors=any") == [bad]
    assert _rows(browser, "/jobs?errors=none") == [waiting, cancelled, good]
    assert '<option value="none" selected>' in browser.get("/jobs?errors=none").get_data(as_text=True)
    assert _rows(browser, "/jobs?label=good+one") == [good]
    assert _rows(browser, "/jobs?kind=events") == []
    now = datetime.now(UTC)
    assert len(_rows(browser, f"/jobs?accepted_after={now - timedelta(hours=1):%Y-%m-%dT%H:%M}")) == 4
    assert _rows(browser, f"/jobs?accepted_after={now + timedelta(hours=1):%Y-%m-%dT%H:%M}") == []
    page = browser.get("/jobs?label=good+one&state=completed").get_data(as_text=True)
    assert 'value="good one"' in page
    assert 'value="completed" checked' in page


def test_an_empty_list_says_whether_filters_hide_the_rest(browser: Browser) -> None:
    empty = text_of(browser.get("/jobs"))
    assert "No batch has been sent yet" in empty
    assert "Send failed items again" not in empty, "there is nothing to tick"
    assert "Clear the filters" in text_of(browser.get("/jobs?state=failed"))


def test_a_wrong_filter_is_told_with_what_it_may_be(browser: Browser) -> None:
    for query, word in {
        "state=x": "pending",
        "kind=x": "entities",
        "errors=x": "any",
        "accepted_after=x": "time",
        "before=x": "job_",
        f"label={'x' * 201}": "200",
    }.items():
        answer = browser.get(f"/jobs?{query}")
        assert answer.status_code == 400
        assert word in text_of(answer)


def test_a_search_leads_to_the_job_or_to_the_entity(browser: Browser, submit: Submit) -> None:
    job = submit()
    assert browser.get(f"/jobs?q=+{job}+").headers["Location"] == f"/console/jobs/{job}"
    assert browser.get("/jobs?q=player+1").headers["Location"] == "/console/entities?id=player+1"


def test_open_jobs_are_counted_by_state(browser: Browser, submit: Submit, pool: Pool) -> None:
    jobs = [submit() for _ in range(3)]
    with transaction(pool) as conn:
        assert control.pause(conn, ids.parse(ids.JOB, jobs[0]))
    assert "2 pending, 0 processing, 1 paused" in text_of(browser.get("/jobs"))


def test_a_quiet_list_is_not_sent_again(browser: Browser, submit: Submit, run_jobs: Callable[[], int]) -> None:
    submit()
    run_jobs()
    address = _live(browser.get("/jobs"))
    answer = browser.get(address, live=True)
    assert (answer.status_code, answer.data) == (304, b"")
    submit()
    moved = browser.get(address, live=True)
    assert moved.status_code == 200
    assert browser.get(_live(moved), live=True).status_code == 304


def test_live_rows_stay_those_of_the_page_and_new_jobs_wait_behind_a_link(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    shown = [submit() for _ in range(2)][::-1]
    page = browser.get("/jobs?state=pending")
    new = submit()
    answer = browser.get(_live(page), live=True)
    assert _ROW.findall(answer.get_data(as_text=True)) == shown
    assert "1 new job: show" in text_of(answer)
    run_jobs()
    answer = browser.get(_live(page), live=True)
    assert _ROW.findall(answer.get_data(as_text=True)) == shown, "rows that leave the filter stay until a reload"
    assert "completed" in text_of(answer)
    assert new not in answer.get_data(as_text=True)


def test_a_live_list_never_shows_the_job_of_another_tenant(browser: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
    foreign = submit(owner=stranger)
    answer = browser.get(f"/jobs/live?rows={foreign}", live=True)
    assert foreign not in answer.get_data(as_text=True)


def test_a_live_part_without_a_session_leads_to_the_login(new_browser: Callable[[], Browser]) -> None:
    answer = new_browser().get("/jobs/live", live=True)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/console/login?next=%2Fconsole"


def _states(pool: Pool) -> list[JobState]:
    with transaction(pool) as conn:
        found = [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY id")]
        jobs = lookup.show_many(conn, found)  # type: ignore[arg-type] # UUIDs
    return [jobs[job_id].status for job_id in found if isinstance(job_id, UUID)]


def test_ticked_jobs_are_cancelled_once_somebody_says_yes(browser: Browser, submit: Submit, pool: Pool) -> None:
    jobs = [submit() for _ in range(3)]
    form = {"do": "cancel", "job": jobs[:2], "filters": "?state=pending"}
    asked = browser.post("/jobs/bulk", form)
    assert "Cancel 2 jobs? What they have done stands." in text_of(asked)
    assert _states(pool) == ["pending"] * 3
    done = browser.post("/jobs/bulk", {**form, "confirmed": "1"})
    assert "2 done That was all." in text_of(done)
    assert 'href="/console/jobs?state=pending"' in done.get_data(as_text=True), "the filters survive"
    assert _states(pool) == ["cancelled", "cancelled", "pending"]


def test_all_that_match_the_filters_go_in_steps(
    browser: Browser, submit: Submit, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.console.bulk._AT_ONCE", 2)
    for _ in range(5):
        submit(options=JobOptions(label="mine"))
    submit()
    form: dict[str, str] = {"do": "cancel", "all": "1", "confirmed": "1", "filters": "?label=mine"}
    told = []
    while form:
        page = browser.post("/jobs/bulk", form)
        told.append(text_of(page))
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.get_data(as_text=True)))
    for text, words in zip(told, ["2 done so far It goes", "4 done so far It goes", "5 done That"], strict=True):
        assert words in text
    assert _states(pool) == ["cancelled"] * 5 + ["pending"]


def test_failed_items_of_ticked_jobs_are_sent_again(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    bad, good = submit([_BAD]), submit()
    run_jobs()
    page = browser.post("/jobs/bulk", {"do": "retry", "job": [bad, good], "confirmed": "1"})
    assert "1 done 1 could not be" in text_of(page)
    assert good in text_of(page)
    assert len(_rows(browser)) == 3


def test_an_operator_acts_on_jobs_of_several_tenants(operator: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        other, _ = make_tenant(conn, name="Stranger")
    submit(), submit(owner=other)
    operator.post("/jobs/bulk", {"do": "cancel", "all": "1", "confirmed": "1", "filters": ""})
    assert _states(pool) == ["cancelled"] * 2


def test_a_key_acts_on_no_job_of_another_tenant(browser: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        other, _ = make_tenant(conn, name="Stranger")
    job = submit(owner=other)
    browser.post("/jobs/bulk", {"do": "cancel", "job": job, "confirmed": "1"})
    assert _states(pool) == ["pending"]


def test_the_timeline_names_who_acted_by_the_console(operator: Browser, submit: Submit, observer: Connection) -> None:
    operator.post("/jobs/bulk", {"do": "cancel", "job": submit(), "confirmed": "1"})
    assert observer.execute("SELECT actor FROM job_timeline").fetchall() == [("console (root)",)]


def test_a_bulk_form_without_jobs_or_with_an_unknown_word_is_refused(browser: Browser, submit: Submit) -> None:
    assert browser.post("/jobs/bulk", {"do": "cancel"}).status_code == 400
    assert browser.post("/jobs/bulk", {"do": "delete", "job": submit()}).status_code == 400


def test_filters_are_read_back_as_they_are_spelled() -> None:
    filters = Filters(state=OPEN, label="a & b", kind="entities", errors="any")
    assert filters.query() == "?state=pending%2Cprocessing%2Cpaused&errors=any&kind=entities&label=a+%26+b"
