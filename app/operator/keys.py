"""API keys, by a tenant that has one (docs/contracts/operator.md section 8)."""

from flask import Blueprint, Response

from app.http import query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp, timestamp_or_none
from app.http.services import services
from app.operator import forms
from app.operator.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.tenants import keys
from ingest.db.tenants.keys import Key
from ingest.errors import InvalidParameter, LastKey, LimitReached, NotFound

bp = Blueprint("keys", __name__)
bp.before_request(rate_limit.scope("settings"))

_SHOWN_DIGITS = 8

_ID = query.Text(name="id", form="uuid", required=True, text="of the key")


@bp.post("")
@describe(
    "Make a key; it is shown this once",
    operation="createKey",
    body="NewKeyForm",
    answers={201: "NewKey"},
    faults=(NotFound, LimitReached),
)
def post() -> Response:
    """Create an operator key of the tenant's."""
    form = forms.read(forms.NewKeyForm)
    if form.get("operator_id", caller().tenant_public_id) != caller().tenant_public_id:
        raise NotFound(f"There is no operator {form['operator_id']}")
    with confirmed_transaction(services().pool) as conn:
        key, secret = keys.create(conn, caller().tenant_id, "oh_live", form["label"])
    data = {"id": str(key.id), "key": secret, "label": key.label, "createdAt": timestamp(key.created_at)}
    return success(data, 201)


@bp.get("")
@describe("The tenant's keys, revoked ones included", operation="listKeys", answers={200: "Keys"})
def get() -> Response:
    """Answer with all keys, without what opens anything."""
    with transaction(services().pool) as conn:
        found = keys.of_tenant(conn, caller().tenant_id)
    return success([_shape(key) for key in found])


@bp.patch("")
@describe(
    "Give a key another label", operation="relabelKey", body="RelabelForm", answers={200: "Key"}, faults=(NotFound,)
)
def patch() -> Response:
    """Relabel one key."""
    form = forms.read(forms.RelabelForm)
    with confirmed_transaction(services().pool) as conn:
        key = keys.relabel(conn, caller().tenant_id, form["id"], form["label"])
    if key is None:
        raise NotFound(f"There is no key {form['id']}")
    return success(_shape(key))


@bp.delete("")
@describe(
    "Revoke a key; not the last active one",
    operation="revokeKey",
    answers={200: "Key"},
    faults=(NotFound, LastKey),
    query=(_ID,),
)
def delete() -> Response:
    """Revoke one key: it opens nothing from the next request on."""
    key_id = forms.uuid_of(_ID.read() or "")
    if key_id is None:
        raise InvalidParameter(_ID.name, "Say which key: ?id= and its UUID")
    with confirmed_transaction(services().pool) as conn:
        if not keys.revoke(conn, caller().tenant_id, key_id):
            raise NotFound(f"There is no key {key_id}")
        revoked = keys.get(conn, key_id)
    return success(revoked and _shape(revoked))


def _shape(key: Key) -> dict[str, object]:
    return {
        "id": str(key.id),
        "operatorId": str(caller().tenant_public_id),
        "keyHash": f"{key.hash.hex()[:_SHOWN_DIGITS]}…",
        "label": key.label,
        "createdAt": timestamp(key.created_at),
        "lastUsedAt": timestamp_or_none(key.last_used_at),
        "revoked": key.revoked_at is not None,
    }
