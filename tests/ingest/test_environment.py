"""Tell the environment variables that count beside our settings from those that do not."""

import pytest

from ingest.environment import drop_strays, strays
from ingest.settings import Settings


@pytest.mark.parametrize(
    "name",
    [
        *("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_CONFIG_MODULE", "CELERY_LOADER", "BROKER_URL"),
        *("GUNICORN_CMD_ARGS", "FLASK_DEBUG"),
        *("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE"),
        *("PGTARGETSESSIONATTRS", "PGCLIENTENCODING", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGAPPNAME"),
    ],
)
def test_a_variable_that_a_library_would_read_past_our_settings_does_not_count(name: str) -> None:
    assert strays([name]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("PGPASSWORD", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGCHANNELBINDING", "PGOPTIONS"),
        *("FLOWER_BASIC_AUTH", "FLOWER_PORT", "DATABASE_URL", "REDIS_URL", "SLUICE_BIND", "PORT", "PATH", "PGDATA"),
    ],
)
def test_secrets_trust_and_what_is_ours_count(name: str) -> None:
    assert strays([name]) == []


def test_settings_leave_none_of_them_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/sluice")
    monkeypatch.setenv("REDIS_URL", "redis://cache/0")
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/0")
    Settings.from_env()
    assert drop_strays() == []
