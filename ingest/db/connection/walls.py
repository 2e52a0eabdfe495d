"""The wall between tenants in the database: roles, and row-level security on each table that has a tenant.

    sluice_app      web: the rows of the tenant that its transaction names (`ingest.db.connection.entry`), else none
    sluice_system   workers, sweep, webhooks and commands: all rows

`sluice migrate` makes the roles where its own role may. They belong to the whole server, have no password and log
nobody in: a login has their rights by GRANT. Without them there is no wall, and one role does all. The owner of the
tables sees all rows, as it must to migrate them; row-level security holds no superuser and no role with BYPASSRLS.
"""

from hashlib import sha256
from typing import LiteralString

from psycopg import sql

from ingest.db.connection.session import Connection

# The tenant is evaluated once a statement. A statement names its tenant or an id besides, and shall be planned as it is
# without the wall: no index matches this condition, and Postgres expects that IS NOT NULL holds for nearly all rows.
_TENANT: LiteralString = "(SELECT nullif(current_setting('sluice.tenant', true), '')::integer)"
_OWN: LiteralString = f"CASE tenant_id WHEN {_TENANT} THEN true END IS NOT NULL"

# The tables behind the wall, each with the rows that a tenant may read and those that it may write.
WALLED: dict[LiteralString, tuple[LiteralString, LiteralString]] = {
    **dict.fromkeys(
        (
            *("api_keys", "audit_log", "console_sessions", "entities", "event_entities", "events", "gone_ids"),
            "idempotency_keys",
            *("job_blocks", "job_ends", "job_errors", "job_timeline", "job_warnings", "jobs", "states"),
            *("upload_parts", "uploads", "webhook_deliveries", "webhook_tries", "webhooks"),
        ),
        (_OWN, _OWN),
    ),
    "templates": (f"tenant_id IS NULL OR {_OWN}", _OWN),  # built-in ones are everybody's
    "tenants": (_OWN.replace("tenant_id", "id"), _OWN.replace("tenant_id", "id")),
}

# Two that make them at once, in two databases of a server, both succeed. The role that makes them becomes a member, as
# it must be where it does the work of all of them.
MAKE_ROLES: LiteralString = """
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY '{sluice_app, sluice_system}'::text[] LOOP
        BEGIN
            IF to_regrole(role) IS NULL THEN
                EXECUTE format('CREATE ROLE %I', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
        END;
        BEGIN
            IF NOT pg_has_role(to_regrole(role)::oid, 'USAGE') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
        END;
    END LOOP;
END $$
"""
# The migration before it has what it stands on.
_HAS_GROUND = "SELECT to_regproc('enter_by_key') IS NOT NULL"
_HAVE_ROLES = "SELECT to_regrole('sluice_app') IS NOT NULL AND to_regrole('sluice_system') IS NOT NULL"

# A table's part of the wall is known by a comment on its policy, which says how it was built.
_TABLES = """
SELECT c.relname, pg_get_userbyid(c.relowner), obj_description(p.oid, 'pg_policy')
FROM unnest(%s::text[]) AS t (name) JOIN pg_class c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'all_rows'
ORDER BY c.relname
"""
_WALL: LiteralString = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS all_rows ON {table};
DROP POLICY IF EXISTS own_rows ON {table};
"""
_WITH_ROLES: LiteralString = """
CREATE POLICY own_rows ON {table} TO sluice_app USING ({read}) WITH CHECK ({written});
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO sluice_app, sluice_system;
CREATE POLICY all_rows ON {table} TO sluice_system, {owner} USING (true);
"""
_WITHOUT_ROLES: LiteralString = "CREATE POLICY all_rows ON {table} TO {owner} USING (true);"

# Rights to what stands beside the walled tables. They come last: web takes its role where it may read the migrations.
_HAS_GATE = "SELECT has_table_privilege('sluice_app', to_regclass('sluice_migrations')::oid, 'SELECT')"
_GATE: LiteralString = """
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_app, sluice_system', current_schema()); END $$;
GRANT USAGE ON SEQUENCE events_id_seq, jobs_seq_seq TO sluice_app, sluice_system;
GRANT SELECT ON jobs_counted, jobs_labelled, sluice_migrations TO sluice_app, sluice_system;
"""


def build_next(conn: Connection) -> bool:
    """Build a part of the wall that is missing, or not as it should be.

    A part is a table, so that a transaction locks one of them alone, for as long as the catalogue is written.

    Args:
        conn: an open transaction of the owner of the tables.

    Returns:
        False if nothing is missing.
    """
    if conn.execute(_HAS_GROUND).fetchone() != (True,):
        return False
    conn.execute(MAKE_ROLES)
    [(have_roles,)] = conn.execute(_HAVE_ROLES).fetchall()
    for table, owner, comment in conn.execute(_TABLES, (list(WALLED),)).fetchall():
        read, written = WALLED[table]  # type: ignore[index] # a text
        statements = sql.SQL(_WALL + (_WITH_ROLES if have_roles else _WITHOUT_ROLES)).format(
            table=sql.Identifier(str(table)),
            owner=sql.Identifier(str(owner)),
            read=sql.SQL(read),
            written=sql.SQL(written),
        )
        built_as = sha256(statements.as_bytes()).hexdigest()
        if comment != built_as:
            conn.execute(statements)
            name = sql.SQL("COMMENT ON POLICY all_rows ON {} IS {}")
            conn.execute(name.format(sql.Identifier(str(table)), sql.Literal(built_as)))
            return True
    if have_roles and conn.execute(_HAS_GATE).fetchone() != (True,):
        conn.execute(_GATE)
        return True
    return False
