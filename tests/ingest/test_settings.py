import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.settings import EX_CONFIG, Settings

_NEEDED = {"DATABASE_URL": "postgresql://db/sluice", "REDIS_URL": "redis://cache:6379/0"}

Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Sets the two variables that have no default, and whatever the test adds or changes."""

    def use(**variables: str) -> None:
        for name, value in {**_NEEDED, **variables}.items():
            monkeypatch.setenv(name, value)

    return use


def test_two_urls_are_enough_and_the_rest_has_defaults(environment: Environment) -> None:
    environment()
    assert Settings.from_env() == Settings(
        database_url="postgresql://db/sluice",
        redis_url="redis://cache:6379/0",
        max_body_bytes=33_554_432,
        max_item_bytes=1_048_576,
        max_job_items=10_000_000,
        max_job_bytes=4_294_967_296,
        max_atomic_items=50_000,
        body_seconds=3600,
        web_workers=2,
        web_threads=16,
        web_streams=100,
        keepalive_seconds=75,
        cors_origins="",
        behind_proxy=False,
        trusted_proxies="",
        worker_processes=2,
        job_deadline_seconds=3600,
        job_retention_days=30,
        audit_retention_days=365,
        rate_entities="30000/minute",
        rate_events="60000/minute",
        rate_states="30000/minute",
        rate_batch="6000/minute",
        rate_settings="300/minute",
        rate_read="60000/minute",
        rate_wrong_keys="60/minute",
        log_level="INFO",
        console="on",
        metrics=False,
        metrics_bind="127.0.0.1:9808",
        metrics_tenants=0,
        traces=False,
        traces_ratio=0.01,
        database_dir="",
        min_free_disk_bytes=2_147_483_648,
        webhook_allow_private=False,
        master_keys="",
    )


def test_every_default_stands_in_the_example_file(environment: Environment) -> None:
    environment()
    settings = dataclasses.asdict(Settings.from_env())
    example = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    for name, value in settings.items():
        if name not in {"database_url", "redis_url"}:
            assert f"SLUICE_{name.upper()}={value}" in example


def test_settings_cannot_be_changed(environment: Environment) -> None:
    environment()
    settings = Settings.from_env()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.web_workers = 3  # type: ignore[misc]


def test_all_mistakes_are_named_at_once_in_order_each_with_what_it_should_be(environment: Environment) -> None:
    environment(
        DATABASE_URL="mysql://db/sluice",
        REDIS_URL="redis+unix:///run/redis.sock",
        SLUICE_MAX_BODY_BYTES="1023",
        SLUICE_WEB_WORKERS="0",
        SLUICE_WORKER_PROCESSES="many",
        SLUICE_JOB_DEADLINE_SECONDS="9",
        SLUICE_RATE_READ="10/fortnight",
        SLUICE_LOG_LEVEL="LOUD",
    )
    with pytest.raises(SettingsError) as refused:
        Settings.from_env()
    assert refused.value.message.splitlines() == [
        "these settings are wrong (see .env.example):",
        "  DATABASE_URL: must start with postgresql://, as in postgresql://user:password@host:5432/sluice",
        "  REDIS_URL: must be redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket",
        "  SLUICE_JOB_DEADLINE_SECONDS: must be a whole number from 10 to 2592000",
        "  SLUICE_LOG_LEVEL: Must be one of: DEBUG, INFO, WARNING, ERROR.",
        "  SLUICE_MAX_BODY_BYTES: must be a whole number from 1024 to 1073741824",
        "  SLUICE_RATE_READ: must be a count and a window, as in 600/minute (second, minute, hour or day)",
        "  SLUICE_WEB_WORKERS: must be a whole number from 1 to 256",
        "  SLUICE_WORKER_PROCESSES: Not a valid integer.",
    ]


def test_traces_without_their_packages_are_refused(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # importlib's own mark of a module that is not to be found
    environment(SLUICE_TRACES="on")
    with pytest.raises(SettingsError, match=r"SLUICE_TRACES: needs the packages of requirements-otel\.txt"):
        Settings.from_env()


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "nan", "one"])
def test_a_share_of_traces_is_from_0_to_1(environment: Environment, ratio: str) -> None:
    environment(SLUICE_TRACES_RATIO=ratio)
    with pytest.raises(SettingsError, match="SLUICE_TRACES_RATIO"):
        Settings.from_env()


def test_missing_urls_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NEEDED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as refused:
        Settings.from_env()
    assert "  DATABASE_URL: " in refused.value.message
    assert "  REDIS_URL: " in refused.value.message


@pytest.mark.parametrize(
    "variables",
    [{"DATABASE_URL": "postgresql://sluice:change-me@db/sluice"}, {"PGPASSWORD": "change-me"}],
    ids=lambda variables: next(iter(variables)),
)
def test_the_password_of_an_example_is_refused(environment: Environment, variables: dict[str, str]) -> None:
    environment(**variables)
    with pytest.raises(SettingsError, match="which everybody knows"):
        Settings.from_env()


def test_a_mistake_never_repeats_the_password_in_a_url(environment: Environment) -> None:
    environment(DATABASE_URL="mysql://sluice:hunter2@db/sluice", REDIS_URL="http://:hunter2@cache")
    with pytest.raises(SettingsError) as refused:
        Settings.from_env()
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("url", ["redis://cache", "rediss://:secret@cache:6380/1", "unix:///run/redis.sock?db=2"])
def test_redis_may_be_reached_plainly_by_tls_or_over_a_socket(environment: Environment, url: str) -> None:
    environment(REDIS_URL=url)
    assert Settings.from_env().redis_url == url


@pytest.mark.parametrize(
    "url",
    ["redis://", "unix://", "cache:6379", "redis+socket:///run/redis.sock", "redis://[cache", "redis://cache:port"],
)
def test_other_redis_urls_are_refused(environment: Environment, url: str) -> None:
    environment(REDIS_URL=url)
    with pytest.raises(SettingsError, match="REDIS_URL"):
        Settings.from_env()


@pytest.mark.parametrize("rate", ["600", "0/minute", "-1/minute", "1.5/second", "/minute", "10/minutes", "٣/minute"])
def test_a_rate_is_a_count_and_a_window(environment: Environment, rate: str) -> None:
    environment(SLUICE_RATE_BATCH=rate)
    with pytest.raises(SettingsError, match="SLUICE_RATE_BATCH"):
        Settings.from_env()


def test_a_secret_can_come_from_a_file(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment()
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://sluice:hunter2@db/sluice\n", encoding="utf-8")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))
    assert Settings.from_env().database_url == "postgresql://sluice:hunter2@db/sluice"


def test_a_file_that_cannot_be_read_is_one_mistake_among_the_others(environment: Environment) -> None:
    environment(DATABASE_URL_FILE="/no/such/file", SLUICE_WEB_WORKERS="0")
    with pytest.raises(SettingsError) as refused:
        Settings.from_env()
    assert "  DATABASE_URL: The value of DATABASE_URL_FILE must be a readable file path." in refused.value.message
    assert "  SLUICE_WEB_WORKERS: " in refused.value.message


@pytest.mark.parametrize(
    "url",
    ["postgres://db", "postgresql:///sluice?host=/run", "postgresql://a:5432,b:5433/sluice", "postgresql://[::1]/x"],
)
def test_any_libpq_url_is_taken(environment: Environment, url: str) -> None:
    environment(DATABASE_URL=url)
    assert Settings.from_env().database_url == url


@pytest.mark.parametrize("url", ["", "db/sluice", "postgresql//db", "postgresql://[db", "dbname=sluice"])
def test_other_database_urls_are_refused(environment: Environment, url: str) -> None:
    environment(DATABASE_URL=url)
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Settings.from_env()


def test_wrong_settings_end_the_process_with_ex_config(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(DATABASE_URL="sqlite:///x")
    with pytest.raises(SystemExit) as ended:
        Settings.from_env_or_exit()
    assert ended.value.code == EX_CONFIG == 78
    assert "DATABASE_URL" in capsys.readouterr().err
