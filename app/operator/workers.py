"""`GET /workers`: how many processes run jobs, of this installation as a whole."""

from flask import Blueprint, Response

from app.http import rate_limit
from app.http.describe import describe
from app.http.services import services
from app.operator.envelope import success
from ingest.db import workers
from ingest.db.connection.pool import autocommit

bp = Blueprint("workers", __name__)
bp.before_request(rate_limit.scope("read"))


@bp.get("/workers")
@describe("How many worker processes are connected, and busy", operation="getWorkers", answers={200: "Workers"})
def get() -> Response:
    """Answer with counts alone: machines and names are the operator's own."""
    with autocommit(services().pool) as conn:
        seen = workers.seen(conn)
    return success({"connected": None if seen is None else seen.connected, "busy": None if seen is None else seen.busy})
