"""Makers of test data; every one takes overrides."""

import base64
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Connections, Pool, transaction
from ingest.db.jobs import acceptance, item_errors, parts, uploads
from ingest.db.jobs.acceptance import NewJob
from ingest.db.jobs.parts import Arrived, Attempt
from ingest.db.tenants import keys, tenants
from ingest.db.tenants.templates import TemplateCache
from ingest.db.tenants.tenants import Tenant
from ingest.engine.announcer import Announcer
from ingest.engine.block_runner import BlockRunner
from ingest.engine.composition import compose
from ingest.engine.executor import Executor
from ingest.engine.kinds import KINDS
from ingest.engine.sealing import Sealer
from ingest.ids import uuid7
from ingest.intake.blocks import blocks_of_lines, cut
from ingest.jobs import ItemError
from ingest.notify.broker import celery_app
from ingest.notify.job_end import JobEndSignal
from ingest.notify.notifier import Notifier
from ingest.notify.progress import Progress
from ingest.settings import Settings

# More digits than Postgres' numeric holds: good JSON, which only the database refuses.
TOO_LARGE = b"9" * 140_000


# A key that encrypts what tests store.
MASTER_KEYS = f"test:{base64.b64encode(bytes(32)).decode()}"

# Each of them, read by a library past our settings, once kept the stack from starting or its workers from hearing.
STRAYS = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_CONFIG_MODULE": "no_such_module",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1",
    "FLASK_DEBUG": "1",
    "PGSERVICE": "no_such_service",
    "PGHOSTADDR": "127.0.0.1",
    "PGPORT": "1",
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "SQL, DMY",
    "PGTZ": "Asia/Tokyo",
}


def make_settings(database_url: str, redis_url: str, **overrides: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "max_body_bytes": 32 * 1024 * 1024,
        "max_item_bytes": 1024 * 1024,
        "max_job_items": 10_000_000,
        "max_job_bytes": 4 * 1024**3,
        "max_atomic_items": 50_000,
        "body_seconds": 3600,
        "web_workers": 1,
        "keepalive_seconds": 75,
        "cors_origins": "",
        "behind_proxy": False,
        "trusted_proxies": "",
        "web_threads": 8,
        "web_streams": 8,
        "worker_processes": 2,
        "job_deadline_seconds": 3600,
        "job_retention_days": 30,
        "audit_retention_days": 365,
        "rate_entities": "30000/minute",
        "rate_events": "60000/minute",
        "rate_states": "30000/minute",
        "rate_batch": "6000/minute",
        "rate_settings": "300/minute",
        "rate_read": "60000/minute",
        "rate_wrong_keys": "60000/minute",
        "log_level": "INFO",
        "console": "on",
        "metrics": False,
        "metrics_bind": "127.0.0.1:9808",
        "metrics_tenants": 0,
        "traces": False,
        "traces_ratio": 1.0,
        "database_dir": "",
        "min_free_disk_bytes": 2 * 1024**3,
        "webhook_allow_private": True,
        "master_keys": MASTER_KEYS,
    }
    return Settings(**{**values, **overrides})


def make_tenant(conn: Connection, *, name: str = "Acme", template: str | None = "tpl_igaming") -> tuple[Tenant, str]:
    """A tenant, and an operator key of its own; with no template where `template` is None."""
    tenant = tenants.create(conn, name)
    _, secret = keys.create(conn, tenant.id, "oh_live", "test")
    if template is not None:
        assert tenants.choose_template(conn, tenant.id, template)
    found = tenants.get(conn, tenant.public_id)
    assert found is not None
    return found, secret


def entity(number: int = 1, **overrides: Any) -> dict[str, Any]:
    item = {
        "entityType": "player",
        "externalId": f"player_{number:06}",
        "data": {"email": f"p{number}@example.com", "vip_level": number % 5},
    }
    return {**item, **overrides}


def event(number: int = 1, **overrides: Any) -> dict[str, Any]:
    item = {
        "externalId": f"player_{number:06}",
        "eventType": "transaction",
        "data": {"type": "deposit", "amount": number, "currency": "EUR"},
    }
    return {**item, **overrides}


def state(number: int = 1, **overrides: Any) -> dict[str, Any]:
    item = {"externalId": f"player_{number:06}", "stateKey": "balance", "value": number}
    return {**item, **overrides}


def new_job(tenant: Tenant, kind: str = "entities", **overrides: Any) -> NewJob:
    """A job as its request makes it, before it is stored."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "tenant_id": tenant.id,
        "kind": kind,
        "merge": False,
        "template_id": tenant.template_id,
        "after_job_id": None,
        "request_id": "test",
        "awaited": False,
    }
    return NewJob(**{**values, **overrides})


def accept(
    conn: Connection,
    tenant: Tenant,
    kind: str,
    items: list[Any] | bytes,
    *,
    block_items: int | None = None,
    sealed: bool = False,
    keys: str = MASTER_KEYS,
    **overrides: Any,
) -> UUID:
    """Store a batch as the API does, `sealed` for a tenant with personal data; `items` may be the body itself."""
    body = items if isinstance(items, bytes) else msgspec.json.encode(items)
    cut_as = {"limit": KINDS[kind].limit, "block_items": block_items or KINDS[kind].block_items}
    job = new_job(tenant, kind, **overrides)
    blocks = cut(body, **cut_as)
    acceptance.accept(conn, job, list(map(make_sealer(tenant.id, keys).block, blocks)) if sealed else blocks)
    return job.id


def accept_failed(conn: Connection, tenant: Tenant, count: int = 1, *, sealed: bool = False) -> UUID:
    """Store a batch of p1's items that have all failed, as a worker records them."""
    job_id = accept(conn, tenant, "entities", [entity(1)])
    failed = [ItemError(index, "p1", "VALIDATION_FAILED", "wrong", item=b"{}", sealed=sealed) for index in range(count)]
    item_errors.record(conn, tenant.id, [(job_id, error) for error in failed])
    return job_id


def new_upload(conn: Connection, tenant: Tenant, **overrides: Any) -> UUID:
    """Begin an upload as the API does; the overrides are its job's. Return its id."""
    upload_id = uuid7()
    job = new_job(tenant, **overrides)
    uploads.create(conn, upload_id, job, content_type="application/x-ndjson", coding="identity")
    return upload_id


def begin_part(conn: Connection, upload_id: UUID, part: int) -> Attempt:
    """Begin an attempt at a part."""
    attempt = parts.begin(conn, upload_id, uuid7(), part=part, most_bytes=2**32)
    assert attempt is not None
    return attempt


def store_part(conn: Connection, upload_id: UUID, part: int, *blocks: bytes) -> Attempt:
    """Store a part of so many blocks, each one its lines."""
    attempt = begin_part(conn, upload_id, part)
    items = lines = 0
    for place, text in enumerate(blocks):
        [block] = blocks_of_lines([text], longest_line=1_000)
        assert parts.append(conn, attempt, place, replace(block, first_index=items, first_line=lines + 1))
        items += block.items
        lines += text.count(b"\n")
    size = sum(map(len, blocks))
    assert parts.finish(conn, attempt, Arrived(part, items, size, bytes(32), len(blocks), lines, size))
    return attempt


def told(item: Any) -> Any:
    """An item's values by their names, documents by their text, whichever of the paths of checking made it."""
    if isinstance(item, list):
        return [told(member) for member in item]
    if not isinstance(item, msgspec.Struct):
        return bytes(item) if isinstance(item, msgspec.Raw) else item
    return {name: told(getattr(item, name)) for name in item.__struct_fields__}


def make_executor(pool: Pool, redis_url: str, progress: Progress | None = None) -> Executor:
    notifier = Notifier(celery_app(redis_url), redis_url)
    keys = MasterKeys.parse(MASTER_KEYS)
    progress = progress or Progress(redis_url)
    announcer = Announcer(notifier, JobEndSignal(redis_url), progress)
    return compose(pool, announcer, BlockRunner(TemplateCache(), progress, keys=keys))


def changed(
    executor: Executor, *, pool: Connections | None = None, notifier: Notifier | None = None, **of_blocks: Any
) -> Executor:
    """Return an executor like another one, but with a pool or a notifier of its own, or other parts of BlockRunner."""
    runner = executor.runner
    announcer = replace(runner.announcer, notifier=notifier or executor.notifier)
    return compose(pool or executor.pool, announcer, replace(runner.blocks, **of_blocks), runner.tries)


def make_sealer(tenant_id: int, keys: str = MASTER_KEYS) -> Sealer:
    return Sealer(MasterKeys.parse(keys), tenant_id, seals=True)


def run_pending(pool: Pool, redis_url: str) -> int:
    """Run every job that is not ended, in this process. Return how often one was."""
    with closing(Progress(redis_url)) as progress:
        executor, runs = make_executor(pool, redis_url, progress), 0
        while True:
            with transaction(pool) as conn:
                ids = [row[0] for row in conn.execute("SELECT id FROM jobs WHERE ended_at IS NULL ORDER BY id")]
            if not ids:
                return runs
            for job_id in ids:
                executor.run(job_id, seconds=60)
            runs += len(ids)
