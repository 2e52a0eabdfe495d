"""S2, one job."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from ingest import ids
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants.tenants import Tenant
from ingest.jobs import JobOptions
from ingest.rights import READ, WRITE
from tests.api.console.conftest import Browser, text_of
from tests.support.factories import accept, entity, make_tenant

_EVIL = "<img src=x onerror=alert(1)>"
_BAD = [entity(number, entityType="nothing") for number in (1, 2)] + [entity(3, data={"vip_level": 1})]

Submit = Callable[..., str]


@pytest.fixture
def submit(pool: Pool, tenant: Tenant) -> Submit:
    """Accept a batch of the tenant's; returns the id of its job."""

    def store(items: Any = None, *, owner: Tenant = tenant, **overrides: Any) -> str:
        with transaction(pool) as conn:
            return ids.spell(ids.JOB, accept(conn, owner, "entities", items or [entity()], **overrides))

    return store


def test_a_job_says_in_a_sentence_where_it_stands(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit([*(entity(number) for number in range(10, 17)), *_BAD])
    assert "pending 10 items wait to be run." in text_of(browser.get(f"/jobs/{job}"))
    run_jobs()
    said = text_of(browser.get(f"/jobs/{job}"))
    assert "completed 7 of 10 taken, 3 refused." in said
    assert "created 7 updated 0 unchanged 0 duplicate 0 failed 3 unprocessed 0 sum 10" in said


def test_errors_stand_in_groups_by_their_cause(browser: Browser, submit: Submit, run_jobs: Callable[[], int]) -> None:
    job = submit(_BAD)
    run_jobs()
    said = text_of(browser.get(f"/jobs/{job}"))
    assert '2 Unknown entity type: "…" /entityType VALIDATION_FAILED 0 to 1 player_' in said
    assert '1 Missing required field: "email" /data/email VALIDATION_FAILED 2' in said


def test_the_job_of_another_tenant_is_not_there(browser: Browser, submit: Submit, pool: Pool) -> None:
    with transaction(pool) as conn:
        other, _ = make_tenant(conn, name="Stranger")
    job = submit(owner=other)
    for path in ("", "/live", "/raw", "/errors.ndjson"):
        assert browser.get(f"/jobs/{job}{path}").status_code == 404
    for path in ("cancel", "pause", "resume", "retry", "commit", "label"):
        assert browser.post(f"/jobs/{job}/{path}", {"confirmed": "1"}).status_code == 404


def test_an_operator_sees_and_steers_the_job_of_any_tenant(operator: Browser, submit: Submit) -> None:
    job = submit()
    assert "at Acme" in text_of(operator.get(f"/jobs/{job}"))
    assert "cancelled" in text_of(operator.send(f"/jobs/{job}/cancel"))


def test_a_job_is_paused_resumed_and_cancelled(browser: Browser, submit: Submit, observer: Connection) -> None:
    job = submit()
    assert "paused 0 of 1 items" in text_of(browser.send(f"/jobs/{job}/pause"))
    assert "pending 1 items wait" in text_of(browser.send(f"/jobs/{job}/resume"))
    asked = browser.post(f"/jobs/{job}/cancel")
    assert "Cancel this job? 1 of 1 items stay unprocessed." in text_of(asked)
    assert "cancelled 0 of 1 taken, 0 refused, 1 never looked at." in text_of(browser.send(f"/jobs/{job}/cancel"))
    what = observer.execute("SELECT what, actor FROM job_timeline ORDER BY no").fetchall()
    assert what == [("paused", "test"), ("resumed", "test"), ("cancelled", "test")]
    assert browser.post(f"/jobs/{job}/pause").status_code == 409


def test_failed_items_are_sent_again_as_a_job_of_their_own(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit([entity(), *_BAD])
    run_jobs()
    assert "Send 3 failed items again, as they are?" in text_of(browser.post(f"/jobs/{job}/retry"))
    child = browser.send(f"/jobs/{job}/retry", select="failed")
    assert f"Sends items of {job}" in text_of(child)
    assert "3 items wait to be run" in text_of(child)
    assert "Retried by" in text_of(browser.get(f"/jobs/{job}"))
    assert browser.post(f"/jobs/{job}/retry", {"select": "everything"}).status_code == 400


def test_unprocessed_items_are_sent_again(browser: Browser, submit: Submit) -> None:
    job = submit([entity(1), entity(2)])
    browser.send(f"/jobs/{job}/cancel")
    assert "2 items wait to be run" in text_of(browser.send(f"/jobs/{job}/retry", select="unprocessed"))


def test_what_was_checked_is_written_by_a_button(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int], observer: Connection
) -> None:
    job = submit(options=JobOptions(validate_only=True))
    run_jobs()
    assert "1 of 1 would be taken." in text_of(browser.get(f"/jobs/{job}"))
    browser.send(f"/jobs/{job}/commit")
    run_jobs()
    assert observer.execute("SELECT FROM entities").rowcount == 1


def test_a_label_is_given_and_taken_away(browser: Browser, submit: Submit) -> None:
    job = submit()
    assert "Jobs nightly & co" in text_of(browser.send(f"/jobs/{job}/label", label=" nightly & co "))
    assert "Jobs nightly" not in text_of(browser.send(f"/jobs/{job}/label", label=""))
    assert browser.post(f"/jobs/{job}/label", {"label": "x" * 201}).status_code == 400


def test_texts_of_a_sender_are_text_on_every_page(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit([entity(entityType=_EVIL, externalId=_EVIL)], options=JobOptions(label=_EVIL))
    run_jobs()
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/raw"):
        page = browser.get(path)
        assert "<img" not in page.get_data(as_text=True)
        assert _EVIL in text_of(page)


def test_failed_items_are_downloaded_as_they_were_sent(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit([entity(1, entityType="nothing", data={"exact": 10**39})])
    run_jobs()
    answer = browser.get(f"/jobs/{job}/errors.ndjson")
    assert f'"exact":{10**39}' in answer.get_data(as_text=True)
    assert "attachment" in answer.headers["Content-Disposition"]
    assert browser.get(f"/jobs/{job}/errors.csv").status_code == 409


def test_items_with_personal_data_are_downloaded_by_an_admin_alone(
    new_browser: Callable[[], Browser], key_of: Callable[..., str], submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit(_BAD, sealed=True)
    run_jobs()
    assert new_browser().log_in(key_of(READ, WRITE)).get(f"/jobs/{job}/errors.ndjson").status_code == 403


def test_a_job_that_moves_is_sent_again_and_one_that_ended_asks_no_more(
    browser: Browser, submit: Submit, run_jobs: Callable[[], int]
) -> None:
    job = submit(_BAD)
    page = browser.get(f"/jobs/{job}").get_data(as_text=True)
    assert "No item had failed when this page was opened" in page
    [address] = re.findall(r'hx-get="/console([^"]+)"', page)
    assert browser.get(address, live=True).status_code == 304
    run_jobs()
    moved = browser.get(address, live=True)
    assert moved.status_code == 200
    assert "Mend these 2" in text_of(moved), "the causes come along with the end"
    assert "hx-get" not in moved.get_data(as_text=True)


def test_each_action_is_a_line_of_the_log(browser: Browser, submit: Submit, capfd: pytest.CaptureFixture[str]) -> None:
    job = submit()
    capfd.readouterr()
    browser.send(f"/jobs/{job}/cancel")
    lines = capfd.readouterr()
    said = [line for line in (lines.out + lines.err).splitlines() if "console_action" in line]
    assert len(said) == 1
    for word in ("cancel", job, "test"):
        assert word in said[0]
