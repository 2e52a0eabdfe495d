"""S7, the keys of a tenant: made and shown once, followed by another one, and revoked."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, request

from app.console import access
from app.console.access import needs, note
from app.console.pages import confirmed, page, query, to
from app.console.whose import pick_unless_known
from app.http import audit
from app.http.auth import caller
from app.http.services import services
from app.operator.keys import make_key, revoke_key
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.tenants import key_changes, keys
from ingest.db.tenants.audit import Action
from ingest.errors import InvalidInput, NotFound
from ingest.rights import ADMIN, SCOPES, check_within

bp = Blueprint("keys", __name__)

_LONGEST_LABEL = 200
_MOST_DAYS = 36_500
_MOST_HOURS = 8_760  # a year


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


@bp.post("/keys/rotate")
@needs(ADMIN)
@pick_unless_known
def rotate() -> Response:
    """Make a key that may do the same as another one, which expires after an overlap; show the new one this once."""
    former, overlap = _key_id(request.form.get("key", "")), _overlap()
    question = f"Make a key that takes over from this one? The former expires after {overlap // timedelta(hours=1)} h."
    back = f"/keys?{query(tenant=request.form.get('tenant'))}"
    if asked := confirmed(question, "Make the new key", back):
        return asked
    made, secret = _rotated(former, overlap)
    note("rotate_key", rotated=str(former), made=str(made))
    return _page(made=secret)


@bp.post("/keys/<text:key_id>/revoke")
@needs(ADMIN)
@pick_unless_known
def revoke(key_id: str) -> Response:
    """Have a key open nothing any more, once its visitor has said yes."""
    whose = query(tenant=request.form.get("tenant"))
    found = _key_id(key_id)
    if asked := confirmed("Revoke this key? What uses it is refused at once.", "Revoke it", f"/keys?{whose}"):
        return asked
    revoke_key(found)
    note("revoke_key", revoked=key_id)
    return to(f"/keys?{whose}&said=revoked")


def _page(made: str | None = None) -> Response:
    found = access.part(lambda conn: keys.of_tenant(conn, caller().tenant_id))
    own = [scope for scope in SCOPES if scope in caller().scopes]
    return page("keys", keys=found, made=made, scopes=own, now=datetime.now(UTC))


def _key_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"There is no key {text}") from None


def _rotated(key_id: UUID, overlap: timedelta) -> tuple[UUID, str]:
    """Make the new key of one of the caller's tenant. Return its id, and the key itself, which is kept nowhere.

    Raises:
        NotFound: the tenant has no such key.
        Forbidden: the caller's own key may not do what that one may, or not for so long.
    """
    with confirmed_transaction(services().pool) as conn:
        former = keys.get(conn, key_id)
        if former is None or former.tenant_id != caller().tenant_id:
            raise NotFound(f"There is no key {key_id}")
        made, secret = key_changes.rotate(conn, former, overlap=overlap)
        check_within(caller().rights, asdict(made.rights))
        details = {"newKey": str(made.id), "overlapSeconds": int(overlap.total_seconds())}
        audit.record(conn, Action.KEY_ROTATED, key_id, details)
    return made.id, secret


def _overlap() -> timedelta:
    hours = _whole("hours", 0, _MOST_HOURS)
    if hours is None:
        raise InvalidInput(f"A key stays good beside its successor for 0 to {_MOST_HOURS:,} hours")
    return timedelta(hours=hours)


def _whole(name: str, least: int, most: int) -> int | None:
    """Return a field of the form as a number; None where it is no whole one from `least` to `most`."""
    text = request.form.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and least <= int(text[:6]) <= most):
        return None
    return int(text[:6])


def _expires_at() -> datetime | None:
    if not request.form.get("days", "").strip():
        return caller().expires_at
    days = _whole("days", 1, _MOST_DAYS)
    if days is None:
        raise InvalidInput(f"A key expires after 1 to {_MOST_DAYS} days, or never")
    return datetime.now(UTC) + timedelta(days=days)
