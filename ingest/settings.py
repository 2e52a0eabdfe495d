"""Settings: one frozen object, read once from the environment, wrong values all named at once."""

import os
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from environs import EnvValidationError, FileAwareEnv
from marshmallow import ValidationError, validate

from ingest import master_keys
from ingest.environment import drop_strays
from ingest.errors import SettingsError
from ingest.origins import Origins
from ingest.proxies import TrustedProxies
from ingest.urls import wrong_database_url, wrong_redis_url

# Of the console, in each web process. People look at pages now and then: more would be as many fewer for the API.
CONSOLE_CONNECTIONS = 2

# Postgres takes some 70 bytes of memory for one of JSON while it writes an item.
MOST_ITEM_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a process, fixed for its life. `.env.example` gives the reason of each default.

    Attributes:
        database_url: libpq URL of Postgres 15 or newer.
        redis_url: `redis://`, `rediss://` or `unix://` URL of Redis 6 or newer, or of Valkey.
        max_body_bytes: the largest request body, in bytes, that is read.
        max_item_bytes: the largest item, in bytes, that is taken.
        max_job_items: the most items of one job.
        max_job_bytes: the most bytes of one job's body, decoded.
        max_atomic_items: the most items of an atomic job.
        body_seconds: how long one request may send its body.
        web_workers: gunicorn processes.
        web_threads: request threads in each of them.
        web_streams: streams of a job's progress that each of them serves at once.
        keepalive_seconds: how long a silent connection to the API stays open.
        trusted_proxies: those whose `X-Forwarded-For` is believed, as `ingest.proxies.TrustedProxies` parses them.
        cors_origins: whose pages may call the API from browsers, as `ingest.origins.Origins` parses them.
        behind_proxy: a proxy stands in front of the API, so that nobody is warned where it listens for other machines.
        worker_processes: children of one Celery worker.
        job_deadline_seconds: how long a job may be tried without any progress before it is ended as failed.
        job_retention_days: how long ended jobs and their item errors can still be read.
        audit_retention_days: how long entries of the audit log are kept.
        rate_entities: requests per tenant for single entity writes, such as `6000/minute`; the other rates likewise.
        rate_wrong_keys: keys that open nothing, per address.
        log_level: the lowest level that is logged.
        database_dir: a directory of this machine on the file system of the database; empty: it is elsewhere.
        console: `on`, `read-only` or `off`.
        metrics: count for Prometheus.
        metrics_bind: where the worker answers scrapes; sweep does a port further, webhooks two.
        metrics_tenants: so many tenants have a gauge of their own.
        traces: send spans to OpenTelemetry.
        traces_ratio: the share of traces that is sent.
        min_free_disk_bytes: with less free there new data are refused; at most a quarter of that file system.
        webhook_allow_private: webhooks may have addresses of private networks, and http.
        master_keys: the keys that encrypt secrets, as `ingest.crypto.MasterKeys` parses them; empty: there is none.
    """

    database_url: str
    redis_url: str
    max_body_bytes: int
    max_item_bytes: int
    max_job_items: int
    max_job_bytes: int
    max_atomic_items: int
    body_seconds: int
    web_workers: int
    web_threads: int
    web_streams: int
    keepalive_seconds: int
    cors_origins: str
    behind_proxy: bool
    trusted_proxies: str
    worker_processes: int
    job_deadline_seconds: int
    job_retention_days: int
    audit_retention_days: int
    rate_entities: str
    rate_events: str
    rate_states: str
    rate_batch: str
    rate_settings: str
    rate_read: str
    rate_wrong_keys: str
    log_level: str
    console: str
    metrics: bool
    metrics_bind: str
    metrics_tenants: int
    traces: bool
    traces_ratio: float
    database_dir: str
    min_free_disk_bytes: int
    webhook_allow_private: bool
    master_keys: str = field(repr=False)

    @classmethod
    def from_env(cls) -> "Settings":
        """Read and check all settings from the process's environment.

        `NAME_FILE` may hold the path of a file to read `NAME` from, as container secrets do. From here on libraries
        find none of the variables that they would read past these settings.

        Returns:
            The settings, with every default filled in.

        Raises:
            SettingsError: one or more variables are missing or wrong; the message names each and what it should be.
        """
        drop_strays()
        env = _Environment(eager=False, strip_whitespace=True)  # a secret's file mostly ends in a newline
        values: dict[str, Any] = {
            "database_url": env.str("DATABASE_URL", validate=_database_url),
            "redis_url": env.str("REDIS_URL", validate=_redis_url),
            "max_body_bytes": env.int("SLUICE_MAX_BODY_BYTES", 32 * 1024 * 1024, validate=_between(1024, 1024**3)),
            "max_item_bytes": env.int("SLUICE_MAX_ITEM_BYTES", MOST_ITEM_BYTES, validate=_between(1024, 4 * 1024**2)),
            "max_job_items": env.int("SLUICE_MAX_JOB_ITEMS", 10_000_000, validate=_between(1, 1_000_000_000)),
            "max_job_bytes": env.int("SLUICE_MAX_JOB_BYTES", 4 * 1024**3, validate=_between(1024, 1024**4)),
            "max_atomic_items": env.int("SLUICE_MAX_ATOMIC_ITEMS", 50_000, validate=_between(1, 1_000_000)),
            "body_seconds": env.int("SLUICE_BODY_SECONDS", 3600, validate=_between(1, 86400)),
            "web_workers": env.int("SLUICE_WEB_WORKERS", 2, validate=_between(1, 256)),
            "web_threads": env.int("SLUICE_WEB_THREADS", 16, validate=_between(1, 256)),
            "web_streams": env.int("SLUICE_WEB_STREAMS", 100, validate=_between(1, 500)),
            "keepalive_seconds": env.int("SLUICE_KEEPALIVE_SECONDS", 75, validate=_between(1, 3600)),
            "cors_origins": env.str("SLUICE_CORS_ORIGINS", "", validate=_origins),
            "behind_proxy": env.bool("SLUICE_BEHIND_PROXY", False),
            "trusted_proxies": env.str("SLUICE_TRUSTED_PROXIES", "", validate=_trusted_proxies),
            "worker_processes": env.int("SLUICE_WORKER_PROCESSES", 2, validate=_between(1, 256)),
            "job_deadline_seconds": env.int("SLUICE_JOB_DEADLINE_SECONDS", 3600, validate=_between(10, 30 * 86400)),
            "job_retention_days": env.int("SLUICE_JOB_RETENTION_DAYS", 30, validate=_between(1, 3650)),
            "audit_retention_days": env.int("SLUICE_AUDIT_RETENTION_DAYS", 365, validate=_between(1, 3650)),
            "rate_entities": env.str("SLUICE_RATE_ENTITIES", "30000/minute", validate=_rate),
            "rate_events": env.str("SLUICE_RATE_EVENTS", "60000/minute", validate=_rate),
            "rate_states": env.str("SLUICE_RATE_STATES", "30000/minute", validate=_rate),
            "rate_batch": env.str("SLUICE_RATE_BATCH", "6000/minute", validate=_rate),
            "rate_settings": env.str("SLUICE_RATE_SETTINGS", "300/minute", validate=_rate),
            "rate_read": env.str("SLUICE_RATE_READ", "60000/minute", validate=_rate),
            "rate_wrong_keys": env.str("SLUICE_RATE_WRONG_KEYS", "60/minute", validate=_rate),
            "log_level": env.str("SLUICE_LOG_LEVEL", "INFO", validate=validate.OneOf(_LOG_LEVELS)),
            "console": env.str("SLUICE_CONSOLE", "on", validate=_CONSOLE),
            "metrics": env.bool("SLUICE_METRICS", False),
            "metrics_bind": env.str("SLUICE_METRICS_BIND", "127.0.0.1:9808", validate=_address),
            "metrics_tenants": env.int("SLUICE_METRICS_TENANTS", 0, validate=_between(0, 1000)),
            "traces": env.bool("SLUICE_TRACES", False, validate=_traceable),
            "traces_ratio": env.float("SLUICE_TRACES_RATIO", 0.01, validate=_share),
            "database_dir": env.str("SLUICE_DATABASE_DIR", "", validate=_directory),
            "min_free_disk_bytes": env.int("SLUICE_MIN_FREE_DISK_BYTES", 2 * 1024**3, validate=_between(0, 1024**5)),
            "webhook_allow_private": env.bool("SLUICE_WEBHOOK_ALLOW_PRIVATE", False),
            "master_keys": env.str("SLUICE_MASTER_KEYS", "", validate=_master_keys),
        }
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(_all_mistakes(error)) from None
        return cls(**values)

    def metrics_address(self, further: int) -> tuple[str, int]:
        """Return the host and port at which a process answers scrapes, so many ports after the worker's."""
        host, _, port = self.metrics_bind.rpartition(":")
        return host.strip("[]"), int(port) + further

    @classmethod
    def from_env_or_exit(cls) -> "Settings":
        """Return the settings; if they are wrong, print all mistakes and exit with status 78 (EX_CONFIG)."""
        try:
            return cls.from_env()
        except SettingsError as error:
            sys.stderr.write(f"{error.message}\n")
            sys.exit(EX_CONFIG)


class _Environment(FileAwareEnv):
    """Lists a file that cannot be read among the mistakes, where its parent stops at it."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            return super()._get_value(env_key, default)
        except ValueError as error:
            self._errors[env_key].append(str(error))
            return default


# sysexits.h: something was found in an unconfigured or misconfigured state.
EX_CONFIG = 78

_PLACEHOLDER = "change-me"

# Words, and not true and false, since there are three.
_CONSOLE = validate.OneOf(("on", "read-only", "off"), error="must be on, read-only or off")

_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _between(low: int, high: int) -> validate.Range:
    return validate.Range(min=low, max=high, error=f"must be a whole number from {low} to {high}")


def _database_url(url: str) -> None:
    if wrong := wrong_database_url(url):
        raise ValidationError(wrong)
    if _PLACEHOLDER in url or os.environ.get("PGPASSWORD") == _PLACEHOLDER:
        raise ValidationError(f'its password is "{_PLACEHOLDER}", which everybody knows: set one of your own')


def _redis_url(url: str) -> None:
    if wrong := wrong_redis_url(url):
        raise ValidationError(wrong)


def _master_keys(text: str) -> None:
    if wrong := master_keys.fault(text):
        raise ValidationError(wrong)


def _trusted_proxies(text: str) -> None:
    try:
        TrustedProxies.parse(text)
    except ValueError as error:
        raise ValidationError(f"must be networks as in 10.0.0.0/8, or unix, with commas between: {error}") from None


def _origins(text: str) -> None:
    try:
        Origins.parse(text)
    except ValueError as error:
        raise ValidationError(f"must be origins with commas between, or *: {error}") from None


_MOST_PORT = 65535 - 2  # sweep and webhooks take the next two


def _address(text: str) -> None:
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= _MOST_PORT):
        raise ValidationError(f"must be a host and a port, as in 127.0.0.1:9808, the port from 1 to {_MOST_PORT}")


_share = validate.Range(min=0, max=1, error="must be a number from 0 to 1: 0.01 is one request of 100")


def _traceable(on: bool) -> None:  # noqa: FBT001 # as marshmallow calls it
    try:
        is_missing = on and find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:  # of a package above it
        is_missing = True
    if is_missing:
        raise ValidationError("needs the packages of requirements-otel.txt, of which some are not installed")


def _directory(path: str) -> None:
    try:
        if path:
            os.statvfs(path)
    except OSError as error:
        raise ValidationError(f"must be a directory of this machine: {error.strerror}") from None


def _rate(text: str) -> None:
    count, _, window = text.partition("/")
    if not (count.isascii() and count.isdigit() and int(count) > 0 and window in {"second", "minute", "hour", "day"}):
        raise ValidationError("must be a count and a window, as in 600/minute (second, minute, hour or day)")


def _all_mistakes(error: EnvValidationError) -> str:
    """Return a line for each variable, in alphabetical order: a person mends them all in one go."""
    mistakes: Any = error.error_messages
    lines = [f"  {name}: {' '.join(texts)}" for name, texts in sorted(mistakes.items())]
    return "these settings are wrong (see .env.example):\n" + "\n".join(lines)
