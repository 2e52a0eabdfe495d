"""`/healthz`: this process answers. `/readyz`: what it stands on answers too, each thing asked within seconds.

Anybody may ask, and the words of servers and drivers name hosts, ports, users and files: these go to the log alone.
"""

import redis
from flask import Blueprint, Response
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.http.describe import describe
from app.http.responses import as_json
from app.http.services import services
from ingest.db.connection.migrate import pending
from ingest.db.connection.pool import transaction
from ingest.db.connection.session import unfit
from ingest.db.connection.unreachable import why_unreachable
from ingest.errors import DatabaseError, Unavailable
from ingest.logs import Logger, get_logger

bp = Blueprint("health", __name__)
log: Logger = get_logger("app.health")

_TIMEOUT_SECONDS = 1.0


@bp.get("/healthz")
@describe("Whether this process answers", operation="getHealth", answers={200: "Health"}, public=True)
def healthz() -> Response:
    """Look at nothing else, so that a database that is away does not get the process restarted."""
    return as_json({"status": "ok"}, 200)


@bp.get("/readyz")
@describe(
    "Whether database, migrations and broker are ready",
    operation="getReadiness",
    answers={200: "Readiness", 503: "Readiness"},
    public=True,
)
def readyz() -> Response:
    """Ask each, and name what fails."""
    database = _database()
    checks = {
        "database": database,
        "migrations": _migrations() if database == "ok" else "unknown",  # not asked, or it would wait once more
        "broker": _broker(),
    }
    ready = all(result == "ok" for result in checks.values())
    return as_json({"status": "ok" if ready else "unready", "checks": checks}, 200 if ready else 503)


def _database() -> str:
    try:
        services().pool.check()
        with transaction(services().pool) as conn:
            conn.execute("SELECT 1")
            return unfit(conn) or "ok"
    except Unavailable:
        return _failed("database", "unreachable", why_unreachable(services().settings.database_url, "sluice-web"))
    except DatabaseError as error:
        return _failed("database", "it refuses", error.message)


def _migrations() -> str:
    try:
        with transaction(services().pool) as conn:
            missing = pending(conn)
    except DatabaseError as error:
        return _failed("migrations", "unknown", error.message)
    return f"missing: {', '.join(missing)}; run sluice migrate" if missing else "ok"


def _broker() -> str:
    client = redis.Redis.from_url(
        services().settings.redis_url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        with client:
            client.ping()
    except redis.RedisError as error:
        return _failed("broker", "unreachable", str(error))
    return "ok"


def _failed(check: str, result: str, reason: str) -> str:
    """Log why a check failed. Return its result, which says where the reason is."""
    log.warning("not_ready", check=check, result=result, reason=reason)
    return f"{result}: the log of web says why (not_ready)"
