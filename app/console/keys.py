"""S7, the keys of a tenant: made and shown once, and revoked."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, request

from app.console import access
from app.console.access import needs, note
from app.console.pages import confirmed, page, query, to
from app.console.whose import pick_unless_known
from app.http.auth import caller
from app.operator.keys import make_key, revoke_key
from ingest.db.tenants import keys
from ingest.errors import InvalidInput, NotFound
from ingest.rights import ADMIN, SCOPES

bp = Blueprint("keys", __name__)

_LONGEST_LABEL = 200
_MOST_DAYS = 36_500


@bp.get("/keys")
@needs(ADMIN)
@pick_unless_known
def show() -> Response:
    """Answer with the list of keys."""
    return _page()


@bp.post("/keys")
@needs(ADMIN)
@pick_unless_known
def create() -> Response:
    """Make a key, and show it: no other page ever will."""
    label = request.form.get("label", "").strip()
    if not 1 <= len(label) <= _LONGEST_LABEL or "\0" in label:
        raise InvalidInput(f"A label has 1 to {_LONGEST_LABEL} characters, none of them NUL: it tells keys apart")
    scopes = [scope for scope in SCOPES if scope in request.form.getlist("scope")]
    if not scopes:
        raise InvalidInput("Tick at least one thing that the key may do")
    key, secret = make_key(label, {"scopes": scopes, "expires_at": _expires_at()})
    note("create_key", made=str(key.id))
    return _page(made=secret)


@bp.post("/keys/<text:key_id>/revoke")
@needs(ADMIN)
@pick_unless_known
def revoke(key_id: str) -> Response:
    """Have a key open nothing any more, once its visitor has said yes."""
    whose = query(tenant=request.form.get("tenant"))
    try:
        found = UUID(key_id)
    except ValueError:
        raise NotFound(f"There is no key {key_id}") from None
    if asked := confirmed("Revoke this key? What uses it is refused at once.", "Revoke it", f"/keys?{whose}"):
        return asked
    revoke_key(found)
    note("revoke_key", revoked=key_id)
    return to(f"/keys?{whose}&said=revoked")


def _page(made: str | None = None) -> Response:
    found = access.part(lambda conn: keys.of_tenant(conn, caller().tenant_id))
    own = [scope for scope in SCOPES if scope in caller().scopes]
    return page("keys", keys=found, made=made, scopes=own, now=datetime.now(UTC))


def _expires_at() -> datetime | None:
    text = request.form.get("days", "").strip()
    if not text:
        return caller().expires_at
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MOST_DAYS):
        raise InvalidInput(f"A key expires after 1 to {_MOST_DAYS} days, or never")
    return datetime.now(UTC) + timedelta(days=int(text[:6]))
