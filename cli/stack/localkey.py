"""The key that a local stack shows: of a tenant of its own, and the same at every start."""

from cli.actor import actor
from cli.stack.datadir import DataDir
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import connect
from ingest.db.tenants import audit, keys, tenants
from ingest.db.tenants.audit import Action
from ingest.rights import shown

_TENANT = "local"
_TEMPLATE = "tpl_igaming"  # so that the example of `sluice up` works at once


def local_key(data: DataDir, database_url: str) -> str:
    """Return the key of the last run if it still opens this database, else a new one.

    Args:
        data: the data directory, where it is kept in the clear: it opens this machine's stack and nothing else.
        database_url: of the stack's database, migrated.

    Raises:
        DatabaseError: the database does not answer.
    """
    with translated(), connect(database_url, "sluice-cli") as conn:
        known = data.read_key()
        caller = keys.caller(conn, known) if known else None
        if known and caller and not (caller.revoked or caller.expired or caller.suspended):
            return known
        active = [tenant for tenant in tenants.everyone(conn) if tenant.name == _TENANT and tenant.suspended_at is None]
        tenant = active[0] if active else tenants.create(conn, _TENANT)
        if not active:
            audit.record(conn, actor(), Action.TENANT_CREATED, tenant.public_id, tenant_id=tenant.id)
        if tenant.template_id is None:
            tenants.choose_template(conn, tenant.id, _TEMPLATE)
        key, secret = keys.create(conn, tenant.id, "oh_live", "sluice up")
        audit.record(conn, actor(), Action.KEY_CREATED, key.id, tenant_id=tenant.id, details=shown(key.rights))
    data.write_key(secret)
    return secret
