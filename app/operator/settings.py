"""The tenant's settings: `GET` and `PUT /settings`."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from app.http import audit, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.services import services
from app.operator import forms
from app.operator.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, transaction
from ingest.db.tenants import tenants
from ingest.db.tenants.audit import Action
from ingest.errors import MasterKeyMissing, NotFound
from ingest.items import personal
from ingest.rights import ADMIN

bp = Blueprint("settings", __name__)
bp.before_request(rate_limit.scope("settings"))


@bp.get("/settings")
@describe("The tenant's settings", operation="getSettings", scope=ADMIN, answers={200: "Settings"})
def get() -> Response:
    """Answer with all settings."""
    with transaction(services().pool) as conn:
        return success(_shape(conn))


@bp.put("/settings")
@describe(
    "Change some of the tenant's settings",
    operation="changeSettings",
    scope=ADMIN,
    body="SettingsForm",
    answers={200: "Settings"},
    faults=(NotFound, MasterKeyMissing),
)
def put() -> Response:
    """Change the settings that the body names, all of them or none."""
    wanted = forms.read(forms.SettingsForm)
    with confirmed_transaction(services().pool) as conn:
        change(conn, wanted)
        shape = _shape(conn)
    return success(shape)


def change(conn: Connection, wanted: Mapping[str, Any]) -> None:
    """Change settings of the caller's tenant.

    Args:
        conn: an open transaction.
        wanted: of SettingsForm; what it lacks stays.

    Raises:
        NotFound: there is no such template.
        MasterKeyMissing: the template has personal data, and there is no key to encrypt them with.
    """
    sent, changes = forms.SettingsForm().dump(wanted), dict(wanted)
    template = changes.pop("template_id", None)
    if template is not None and not tenants.choose_template(conn, caller().tenant_id, template):
        raise NotFound(f"There is no template {template!r}")
    if template is not None and (chosen := tenants.template_of(conn, caller().tenant_id)) is not None:
        personal.require_key(services().template_cache.get(conn, chosen), services().master_keys)
    tenants.configure(conn, caller().tenant_id, changes)
    audit.record(conn, Action.SETTINGS_CHANGED, caller().tenant_public_id, sent)


def _shape(conn: Connection) -> dict[str, object]:
    tenant = tenants.get(conn, caller().tenant_public_id)
    if tenant is None:
        raise NotFound("This tenant is gone")
    template = None if tenant.template_id is None else services().template_cache.get(conn, tenant.template_id)
    return {
        "template": template and {"id": template.slug, "name": template.name, "version": template.version},
        "dataRetentionDays": tenant.data_retention_days,
        "retentionPolicy": tenant.retention_policy,
        "batchWaitSeconds": tenant.batch_wait_seconds,
    }
