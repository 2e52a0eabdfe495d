"""S7, the tenants of the installation, for its operators alone: as `sluice tenants` does."""

from uuid import UUID

from flask import Blueprint, Response, request

from app.console import access
from app.console.access import OPERATOR, needs, note
from app.console.pages import confirmed, page, to
from app.http import audit
from app.http.services import services
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection
from ingest.db.tenants import tenants
from ingest.db.tenants.audit import Action
from ingest.errors import InvalidInput, NotFound

bp = Blueprint("tenants", __name__)

_LONGEST_NAME = 200


@bp.get("/tenants")
@needs(OPERATOR)
def show() -> Response:
    """Answer with the list of tenants."""
    return page("tenants", tenants=access.part(tenants.everyone), most_weight=tenants.MOST_WEIGHT)


@bp.post("/tenants")
@needs(OPERATOR)
def create() -> Response:
    """Create a tenant."""
    name = request.form.get("name", "").strip()
    if not 1 <= len(name) <= _LONGEST_NAME or "\0" in name:
        raise InvalidInput(f"A name has 1 to {_LONGEST_NAME} characters, none of them NUL")
    with confirmed_transaction(services().console_pool(None)) as conn:
        made = tenants.create(conn, name)
        audit.record_of(conn, Action.TENANT_CREATED, made.public_id, made.id, {"name": name, "template": None})
    note("create_tenant", made=str(made.public_id))
    return to("/tenants?said=created")


@bp.post("/tenants/<text:tenant_id>/suspend")
@needs(OPERATOR)
def suspend(tenant_id: str) -> Response:
    """Refuse every key of a tenant, once its visitor has said yes."""
    question = "Suspend this tenant? Every key of it is refused at once; jobs that were accepted go on."
    if asked := confirmed(question, "Suspend it", "/tenants"):
        return asked
    with confirmed_transaction(services().console_pool(None)) as conn:
        found = _named(conn, tenant_id)
        tenants.suspend(conn, found.public_id)
        audit.record_of(conn, Action.TENANT_SUSPENDED, found.public_id, found.id)
    note("suspend_tenant", suspended=tenant_id)
    return to("/tenants?said=suspended")


@bp.post("/tenants/<text:tenant_id>/resume")
@needs(OPERATOR)
def resume(tenant_id: str) -> Response:
    """Let a tenant's keys open it again."""
    with confirmed_transaction(services().console_pool(None)) as conn:
        found = _named(conn, tenant_id)
        tenants.resume(conn, found.public_id)
        audit.record_of(conn, Action.TENANT_RESUMED, found.public_id, found.id)
    note("resume_tenant", resumed=tenant_id)
    return to("/tenants?said=taken-up")


@bp.post("/tenants/<text:tenant_id>/weight")
@needs(OPERATOR)
def weigh(tenant_id: str) -> Response:
    """Give a tenant more blocks a turn, or fewer."""
    text = request.form.get("weight", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= tenants.MOST_WEIGHT):
        raise InvalidInput(f"A weight is a whole number from 1 to {tenants.MOST_WEIGHT}")
    with confirmed_transaction(services().console_pool(None)) as conn:
        found = _named(conn, tenant_id)
        tenants.set_weight(conn, found.public_id, int(text))
        audit.record_of(conn, Action.TENANT_CHANGED, found.public_id, found.id, {"weight": int(text)})
    note("weigh_tenant", weighed=tenant_id, weight=int(text))
    return to("/tenants?said=weighed")


def _named(conn: Connection, text: str) -> tenants.Tenant:
    try:
        found = tenants.get(conn, UUID(text))
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"There is no tenant {text}")
    return found
