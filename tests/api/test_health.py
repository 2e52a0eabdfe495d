"""`/healthz` and `/readyz`."""

from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from ingest.db.connection.pool import Pool, transaction
from ingest.settings import Settings


def test_readyz_says_that_all_is_well(app: Flask) -> None:
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
    }


@pytest.mark.parametrize(
    ("gone", "named", "logged"),
    [
        ({"redis_url": "redis://127.0.0.1:1/0"}, {"broker"}, "connecting to 127.0.0.1:1"),
        (
            {"database_url": "postgresql://nobody:hunter2@127.0.0.1:1/none"},
            {"database", "migrations"},
            "port 1 failed: Connection refused",
        ),
    ],
)
def test_readyz_names_what_is_away_and_the_log_alone_where_it_was(
    settings: Settings, capsys: pytest.CaptureFixture[str], gone: dict[str, str], named: set[str], logged: str
) -> None:
    app = create_app(replace(settings, **gone))
    answer = app.test_client().get("/readyz")
    checks = answer.get_json()["checks"]
    assert answer.status_code == 503
    assert {name for name, result in checks.items() if result != "ok"} == named
    assert "unreachable: the log of web says why (not_ready)" in checks.values()
    assert [word for word in ("127.0.0.1", "port", "nobody", "hunter2") if word in answer.text] == []
    log = "".join(capsys.readouterr())
    assert ("not_ready" in log, logged in log, "hunter2" in log) == (True, True, False)
    assert app.test_client().get("/healthz").get_json() == {"status": "ok"}
    app.extensions["sluice"].close()


def test_readyz_names_the_migrations_that_are_missing(app: Flask, pool: Pool) -> None:
    with transaction(pool) as conn:
        conn.execute("DELETE FROM sluice_migrations")
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "0001_first_schema" in answer.get_json()["checks"]["migrations"]


def test_readyz_refuses_a_database_that_cannot_hold_every_text(settings: Settings, latin_url: str) -> None:
    app = create_app(replace(settings, database_url=latin_url))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "LATIN1" in answer.get_json()["checks"]["database"]
    app.extensions["sluice"].close()
