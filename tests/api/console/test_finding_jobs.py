"""S1: the filters by time, the slow jobs, and the search by a request's id."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest import ids
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control
from ingest.db.tenants.tenants import Tenant
from ingest.ids import uuid7
from tests.api.console.conftest import Browser, text_of
from tests.api.console.test_jobs import _live, _rows
from tests.support.factories import accept, entity, make_tenant

Submit = Callable[..., str]


@pytest.fixture
def submit(pool: Pool, tenant: Tenant) -> Submit:
    """Accept a batch of the tenant's; returns the id of its job."""

    def store(*, owner: Tenant = tenant, kind: str = "entities", **overrides: Any) -> str:
        with transaction(pool) as conn:
            return ids.spell(ids.JOB, accept(conn, owner, kind, [entity()], **overrides))

    return store


@pytest.fixture
def move(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a job accepted so long ago, and, if it has ended, have it ended so long ago. Its id stays one of now."""
    monkeypatch.setattr("ingest.db.jobs.listing._CLOCKS_APART", timedelta(days=9).total_seconds())

    def earlier(job: str, *, accepted: timedelta, ended: timedelta | None = None) -> None:
        with transaction(pool) as conn:
            conn.execute(
                "UPDATE jobs SET created_at = now() - %s, ended_at = CASE WHEN ended_at IS NOT NULL THEN now() - %s END"
                " WHERE id = %s",
                (accepted, accepted if ended is None else ended, ids.parse(ids.JOB, job)),
            )

    return earlier


def _at(ago: timedelta) -> str:
    return f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M}"


def test_jobs_are_found_by_their_end_whenever_they_were_accepted(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int], move: Callable[..., None]
) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    old, late = submit(), submit()
    run_jobs()
    waiting = submit()
    move(old, accepted=2 * day)
    move(late, accepted=2 * day, ended=hour)
    assert _rows(browser, f"/jobs?ended_after={_at(day)}") == [late]
    assert _rows(browser, f"/jobs?ended_before={_at(day)}") == [old]
    assert _rows(browser, f"/jobs?ended_after={_at(2 * hour)}&ended_before={_at(hour / 2)}") == [late]
    assert _rows(browser, f"/jobs?accepted_after={_at(day)}") == [waiting]


def test_a_list_by_time_says_which_time_is_meant(browser: Browser) -> None:
    assert "open jobs are in no such list" in text_of(browser.get(f"/jobs?ended_after={_at(timedelta(1))}"))
    assert "whenever they ended" in text_of(browser.get(f"/jobs?accepted_after={_at(timedelta(1))}"))
    assert 'id="which-time"' not in browser.get("/jobs").get_data(as_text=True)
    assert browser.get("/jobs?ended_before=soon").status_code == 400


def test_the_jobs_with_errors_today_are_those_that_ended_today(browser: Browser) -> None:
    page = browser.get("/jobs").get_data(as_text=True)
    assert f"?errors=any&amp;ended_after={datetime.now(UTC):%Y-%m-%d}T00%3A00%3A00Z" in page


@pytest.fixture
def history(submit: Submit, run_jobs: Callable[[], int], move: Callable[..., None]) -> list[str]:
    """Six jobs that took a minute each."""
    jobs = [submit() for _ in range(6)]
    run_jobs()
    for job in jobs:
        move(job, accepted=timedelta(hours=1), ended=timedelta(minutes=59))
    return jobs


@pytest.mark.usefixtures("history")
def test_slow_jobs_are_open_for_ten_times_the_median_of_their_kind(
    browser: Browser, submit: Submit, move: Callable[..., None], pool: Pool
) -> None:
    slow, in_time, paused, other_kind = submit(), submit(), submit(), submit(kind="events")
    for job, minutes in {slow: 11, in_time: 9, paused: 99, other_kind: 99}.items():
        move(job, accepted=timedelta(minutes=minutes))
    with transaction(pool) as conn:
        assert control.pause(conn, ids.parse(ids.JOB, paused))
    page = browser.get("/jobs?slow=yes")
    assert _rows(browser, "/jobs?slow=yes") == [slow]
    assert "over 10 times the median of their kind, from acceptance to end: entities 1 min 0 s." in text_of(page)
    assert browser.get(_live(page), live=True).status_code == 304
    assert _rows(browser, "/jobs?slow=yes&state=processing") == []
    assert browser.get("/jobs?slow=yes&state=paused").status_code == 400
    assert browser.get("/jobs?slow=no").status_code == 400


@pytest.mark.usefixtures("history")
def test_a_tenant_s_jobs_are_compared_with_its_own_and_an_operator_s_with_all(
    new_browser: Callable[[], Browser], operator: Browser, submit: Submit, pool: Pool, move: Callable[..., None]
) -> None:
    with transaction(pool) as conn:
        other, key = make_tenant(conn, name="Stranger")
    waiting = submit(owner=other)
    move(waiting, accepted=timedelta(hours=2))
    answer = new_browser().log_in(key).get("/jobs?slow=yes")
    assert "there is no median" in text_of(answer)
    assert waiting not in answer.get_data(as_text=True)
    assert _rows(operator, "/jobs?slow=yes") == [waiting]


@pytest.mark.usefixtures("history")
def test_a_backlog_hides_no_median(
    browser: Browser, submit: Submit, move: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.db.jobs.durations.LOOKED_AT", 6)
    waiting = [submit() for _ in range(7)]
    move(waiting[0], accepted=timedelta(minutes=11))
    assert _rows(browser, "/jobs?slow=yes") == [waiting[0]]


@pytest.mark.usefixtures("history")
def test_all_slow_jobs_are_cancelled_and_no_other(
    browser: Browser, submit: Submit, move: Callable[..., None], observer: Connection
) -> None:
    slow, in_time = submit(), submit()
    move(slow, accepted=timedelta(minutes=11))
    browser.post("/jobs/bulk", {"do": "cancel", "all": "1", "confirmed": "1", "filters": "?slow=yes"})
    found = observer.execute("SELECT id, status FROM jobs WHERE status <> 'completed' ORDER BY id").fetchall()
    assert [(ids.spell(ids.JOB, UUID(str(job_id))), status) for job_id, status in found] == [
        (slow, "cancelled"),
        (in_time, "pending"),
    ]


def test_an_operator_finds_an_open_job_behind_many_that_have_ended(
    operator: Browser, submit: Submit, pool: Pool, tenant: Tenant
) -> None:
    waiting = submit()
    with transaction(pool) as conn:
        assert control.pause(conn, ids.parse(ids.JOB, waiting))
        for _ in range(3):
            control.cancel(conn, accept(conn, tenant, "entities", [entity()]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.db.jobs.listing.LOOKED_AT", 2)
        assert _rows(operator, "/jobs?state=paused") == [waiting]


def test_a_page_without_a_match_leads_on_to_older_jobs_and_stays_so(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.db.jobs.listing.LOOKED_AT", 2)
    found = submit(kind="entities")
    for _ in range(3):
        submit(kind="events")
    run_jobs()
    page = browser.get("/jobs?kind=entities")
    assert "None of the 2 jobs that this page looked at passes these filters" in text_of(page)
    assert 'id="further"' in page.get_data(as_text=True)
    assert browser.get(_live(page), live=True).status_code == 304
    [address] = [part for part in page.get_data(as_text=True).split('"') if part.startswith("/console/jobs?kind")][:1]
    assert _rows(browser, address.removeprefix("/console").replace("&amp;", "&")) == [found]


@pytest.mark.parametrize(
    "make", [lambda: "trace-1.2", lambda: uuid7().hex, lambda: str(uuid7())], ids=["the client's", "ours", "a uuid"]
)
def test_a_search_by_a_request_s_id_leads_to_its_job(
    browser: Browser, operator: Browser, submit: Submit, make: Callable[[], str]
) -> None:
    request_id = make()
    job = submit(request_id=request_id)
    submit()
    for visitor in (browser, operator):
        assert visitor.get(f"/jobs?q={request_id}").headers["Location"] == f"/console/jobs/{job}"


def test_an_id_of_a_request_tells_the_time_from_which_its_job_is_looked_for(
    browser: Browser, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.db.jobs.requests.LOOKED_AT", 2)
    submit(request_id="before")
    ours = uuid7().hex
    job = submit(request_id=ours)
    for _ in range(3):
        submit()
    assert browser.get(f"/jobs?q={ours}").headers["Location"] == f"/console/jobs/{job}"
    told = browser.get("/jobs?q=before").headers["Location"]
    assert told == "/console/entities?id=before&requests=none"
    answer = browser.get(told.removeprefix("/console"))
    assert "Nor has a request whose job is among the newest 2." in text_of(answer)


def test_a_text_that_names_no_request_is_looked_for_among_entities_alone(browser: Browser) -> None:
    for text in ("ada@example.com", "a%00b", "x" * 101):
        assert "requests" not in browser.get(f"/jobs?q={text}").headers["Location"]


def test_a_request_of_another_tenant_is_not_found(browser: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
    submit(owner=stranger, request_id="theirs")
    assert "/entities" in browser.get("/jobs?q=theirs").headers["Location"]
