"""`GET /audit`: who changed what of a tenant's (docs/contracts/operator.md section 8)."""

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response

from app.http import pagination, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp
from app.http.services import services
from app.operator.envelope import success
from ingest.db.connection.pool import transaction
from ingest.db.tenants import audit
from ingest.db.tenants.audit import OBJECT_KINDS, Action, Entry, Filter
from ingest.rights import ADMIN

bp = Blueprint("audit", __name__)
bp.before_request(rate_limit.scope("read"))

_ACTION = query.Filter(name="action", words=tuple(Action), text="only entries of this action")
_OBJECT = query.Filter(name="object", words=OBJECT_KINDS, text="only entries about objects of this kind")
_ID = query.Text(name="object_id", most=200, text="only entries about the object of this id")
_SINCE = query.Timestamp(name="since", text="only entries of this moment or later")
_LIMIT = query.Whole(name="limit", most=200, default=50)
_Place = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


@bp.get("/audit")
@describe(
    "The changes of what is the tenant's, the newest first",
    operation="listAuditLog",
    scope=ADMIN,
    answers={200: "AuditEntries"},
    query=(_ACTION, _OBJECT, _ID, _SINCE, _LIMIT, pagination.CURSOR),
)
def get() -> Response:
    """Answer with a page of the tenant's entries."""
    wanted = Filter(_ACTION.read(), _OBJECT.read(), _ID.read(), _SINCE.read())
    limit, before = _LIMIT.read(), pagination.cursor(_Place)
    with transaction(services().pool) as conn:
        page = audit.page(conn, caller().tenant_id, wanted, limit=limit, before=before)
    more = {} if page.before is None else pagination.next_link(page.before)
    return success([_shape(entry) for entry in page.entries], 200, more)


def _shape(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": timestamp(entry.at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "label": entry.actor_label},
        "action": entry.action,
        "object": {"kind": entry.object_kind, "id": entry.object_id},
        "details": entry.details,
        "requestId": entry.request_id,
    }
