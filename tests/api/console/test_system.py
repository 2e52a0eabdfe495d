"""S6, what the installation stands on."""

import re

from ingest.db.connection.pool import Connection
from tests.api.console.conftest import Browser, text_of


def test_an_operator_sees_the_lines_of_doctor(operator: Browser) -> None:
    said = text_of(operator.get("/system"))
    assert "ok database PostgreSQL" in said
    assert "ok migrations all are applied" in said
    assert "FAIL sweep it is not running: none is connected" in said
    assert "broker memory" in said
    assert "0 pending jobs" in said


def test_a_process_that_connects_is_seen(operator: Browser, observer: Connection) -> None:
    observer.execute("SET application_name = 'sluice-sweep'")
    assert "it is not running: none is connected" not in text_of(operator.get("/system")).partition("workers")[0]


def test_a_system_that_stands_as_the_page_shows_it_is_not_sent_again(operator: Browser) -> None:
    page = operator.get("/system").get_data(as_text=True)
    [address] = re.findall(r'hx-get="/console([^"]+)"', page)
    assert operator.get(address, live=True).status_code in {200, 304}  # its clock and memory may have moved


def test_what_cannot_be_looked_at_in_time_is_told_beside_the_rest(operator: Browser, other: Connection) -> None:
    other.execute("LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE")
    said = text_of(operator.get("/system"))
    assert "webhook secrets it could not be looked at" in said
    assert "ok migrations" in said
    other.rollback()


def test_the_system_is_for_operators_alone(browser: Browser) -> None:
    assert browser.get("/system").status_code == 403
    assert browser.get("/system/live").status_code == 403
