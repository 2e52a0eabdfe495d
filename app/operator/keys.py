"""API keys, by a tenant that has one (docs/contracts/operator.md section 8)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from app.http import audit, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp, timestamp_or_none
from app.http.services import services
from app.operator import forms, key_forms
from app.operator.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.tenants import key_changes, keys
from ingest.db.tenants.audit import Action
from ingest.db.tenants.keys import Key
from ingest.errors import InvalidParameter, LastKey, LimitReached, NotFound
from ingest.rights import ADMIN, Rights, check_within, shown

bp = Blueprint("keys", __name__)
bp.before_request(rate_limit.scope("settings"))

_SHOWN_DIGITS = 8

_ID = query.Text(name="id", form="uuid", required=True, text="of the key")


@bp.post("")
@describe(
    "Make a key; it is shown this once. Members that the body lacks are as in the key that makes it",
    operation="createKey",
    scope=ADMIN,
    body="NewKeyForm",
    answers={201: "NewKey"},
    faults=(NotFound, LimitReached),
)
def post() -> Response:
    """Create an operator key of the tenant's."""
    form = forms.read(key_forms.NewKeyForm)
    label, operator_id = form.pop("label"), form.pop("operator_id", caller().tenant_public_id)
    if operator_id != caller().tenant_public_id:
        raise NotFound(f"There is no operator {operator_id}")
    key, secret = make_key(label, form)
    data = {"id": str(key.id), "key": secret, "label": key.label, "createdAt": timestamp(key.created_at)}
    return success({**data, **shown(key.rights)}, 201)


@bp.get("")
@describe("The tenant's keys, revoked ones included", operation="listKeys", scope=ADMIN, answers={200: "Keys"})
def get() -> Response:
    """Answer with all keys, without what opens anything."""
    with transaction(services().pool) as conn:
        found = keys.of_tenant(conn, caller().tenant_id)
    return success([_shape(key) for key in found])


@bp.patch("")
@describe(
    "Change a key's label, or what it may do, but to no more than the calling key may",
    operation="changeKey",
    scope=ADMIN,
    body="KeyChangesForm",
    answers={200: "Key"},
    faults=(NotFound, LastKey),
)
def patch() -> Response:
    """Change what the body names of one key, from the next request on."""
    changes = forms.read(key_forms.KeyChangesForm)
    key_id = changes.pop("id")
    check_within(caller().rights, changes)
    with confirmed_transaction(services().pool) as conn:
        key = key_changes.change(conn, caller().tenant_id, key_id, changes)
        if key is None:
            raise NotFound(f"There is no key {key_id}")
        audit.record(conn, Action.KEY_CHANGED, key_id, {"label": key.label, **shown(key.rights)})
    return success(_shape(key))


@bp.delete("")
@describe(
    "Revoke a key; not the last active one",
    operation="revokeKey",
    scope=ADMIN,
    answers={200: "Key"},
    faults=(NotFound, LastKey),
    query=(_ID,),
)
def delete() -> Response:
    """Revoke one key: it opens nothing from the next request on."""
    key_id = forms.uuid_of(_ID.read() or "")
    if key_id is None:
        raise InvalidParameter(_ID.name, "Say which key: ?id= and its UUID")
    revoked = revoke_key(key_id)
    return success(revoked and _shape(revoked))


def make_key(label: str, wanted: Mapping[str, Any]) -> tuple[Key, str]:
    """Make an operator key of the caller's tenant. Return its row, and the key itself, which is kept nowhere.

    Args:
        label: for people.
        wanted: fields of Rights, by their names; those that it lacks are as the caller's.

    Raises:
        Forbidden: the caller's own key may not do that.
        LimitReached: the tenant has as many active keys as it may have.
    """
    check_within(caller().rights, wanted)
    rights = Rights(**{**asdict(caller().rights), **wanted})
    with confirmed_transaction(services().pool) as conn:
        key, secret = keys.create(conn, caller().tenant_id, "oh_live", label, rights)
        audit.record(conn, Action.KEY_CREATED, key.id, {"label": label, **shown(key.rights)})
    return key, secret


def revoke_key(key_id: UUID) -> Key | None:
    """Have a key of the caller's tenant open nothing from the next request on. Return its row.

    Raises:
        NotFound: the tenant has no such key.
        LastKey: it is the last active one, or the last that may make others.
    """
    with confirmed_transaction(services().pool) as conn:
        if not key_changes.revoke(conn, caller().tenant_id, key_id):
            raise NotFound(f"There is no key {key_id}")
        audit.record(conn, Action.KEY_REVOKED, key_id)
        return keys.get(conn, key_id)


def _shape(key: Key) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "operatorId": str(caller().tenant_public_id),
        "keyHash": f"{key.hash.hex()[:_SHOWN_DIGITS]}…",
        "label": key.label,
        "createdAt": timestamp(key.created_at),
        "lastUsedAt": timestamp_or_none(key.last_used_at),
        "revoked": key.revoked_at is not None,
        **shown(key.rights),
    }
