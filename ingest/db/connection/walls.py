"""The wall between tenants in the database: row-level security on each table that has a tenant, by `roles`.

The owner of the tables sees all rows, as it must to migrate them; row-level security holds no superuser and no role
with BYPASSRLS.
"""

from hashlib import sha256
from typing import LiteralString

from psycopg import sql

from ingest.db.connection import roles
from ingest.db.connection.session import Connection

# The tenant is evaluated once a statement. A statement names its tenant or an id besides, and shall be planned as it is
# without the wall: no index matches this condition, and Postgres expects that IS NOT NULL holds for nearly all rows.
_TENANT: LiteralString = "(SELECT nullif(current_setting('sluice.tenant', true), '')::integer)"
_OWN: LiteralString = f"CASE tenant_id WHEN {_TENANT} THEN true END IS NOT NULL"

# The tables behind the wall, each with the rows that a tenant may read and those that it may write.
WALLED: dict[LiteralString, tuple[LiteralString, LiteralString]] = {
    **dict.fromkeys(
        (
            *("api_keys", "audit_log", "console_mappings", "console_sessions", "entities", "event_entities", "events"),
            *("gone_ids", "idempotency_keys", "job_drafts"),
            *("job_blocks", "job_ends", "job_errors", "job_timeline", "job_warnings", "jobs", "readers", "states"),
            *("upload_parts", "uploads", "webhook_deliveries", "webhook_tries", "webhooks"),
        ),
        (_OWN, _OWN),
    ),
    "templates": (f"tenant_id IS NULL OR {_OWN}", _OWN),  # built-in ones are everybody's
    "tenants": (_OWN.replace("tenant_id", "id"), _OWN.replace("tenant_id", "id")),
}

# Tables to which web adds rows and in which it changes none; retention alone deletes them.
_APPENDED: frozenset[LiteralString] = frozenset({"audit_log"})

# The columns of tables that readers may read; None: all of them. They may read no secrets, no digests and no items.
READABLE: dict[LiteralString, tuple[LiteralString, ...] | None] = {
    **dict.fromkeys(
        ("event_entities", "events", "job_timeline", "job_warnings", "jobs", "states", "templates", "tenants")
    ),
    "entities": (
        *("id", "public_id", "tenant_id", "scope", "external_id", "type", "properties", "revision"),
        *("created_at", "updated_at", "deleted_at"),
    ),
    "job_errors": (
        *("tenant_id", "job_id", "index", "line", "external_id", "code", "message", "field"),
        *("retried_in", "patched"),
    ),
}
# Readers seldom name their tenant: this condition is one that an index matches.
_OF_READER: LiteralString = "tenant_id = (SELECT tenant_of_reader())"
_READ_ROWS: dict[LiteralString, LiteralString] = {
    "templates": f"tenant_id IS NULL OR {_OF_READER}",
    "tenants": _OF_READER.replace("tenant_id", "id", 1),
}

# The migration before it has what it stands on.
_HAS_GROUND = "SELECT to_regproc('tenant_of_reader') IS NOT NULL"

# A table's part of the wall is known by a comment on its policy, which says how it was built.
_TABLES = """
SELECT c.relname, pg_get_userbyid(c.relowner), obj_description(p.oid, 'pg_policy'),
       (SELECT count(*) FROM pg_policy o
        WHERE polrelid = c.oid AND polname IN ('all_rows', 'own_rows', 'read_rows')
          AND c.relrowsecurity AND c.relforcerowsecurity)
FROM unnest(%s::text[]) AS t (name) JOIN pg_class c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'all_rows'
ORDER BY c.relname
"""
_WALL: LiteralString = """
ALTER TABLE {table} OWNER TO {owner};
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS all_rows ON {table};
DROP POLICY IF EXISTS own_rows ON {table};
DROP POLICY IF EXISTS read_rows ON {table};
"""
_WITH_ROLES: LiteralString = """
CREATE POLICY own_rows ON {table} TO sluice_app USING ({read}) WITH CHECK ({written});
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO sluice_app, sluice_system;
CREATE POLICY all_rows ON {table} TO sluice_system, {owner} USING (true);
"""
_APPEND_ALONE: LiteralString = """
REVOKE UPDATE ON {table} FROM sluice_app, sluice_system;
REVOKE DELETE ON {table} FROM sluice_app;
"""
_WITHOUT_ROLES: LiteralString = "CREATE POLICY all_rows ON {table} TO {owner} USING (true);"
_WITH_READERS: LiteralString = """
REVOKE ALL ON {table} FROM sluice_reader;
CREATE POLICY read_rows ON {table} FOR SELECT TO sluice_reader USING ({readable});
GRANT SELECT {columns} ON {table} TO sluice_reader;
"""

# Rights to what stands beside the walled tables. They come last: web takes its role where it may read the migrations.
_HAS_GATE = """
SELECT has_table_privilege('sluice_app', to_regclass('sluice_migrations')::oid, 'SELECT')
       AND obj_description(to_regproc('enter_by_key'), 'pg_proc') = %s
"""
_GATE: LiteralString = """
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_app, sluice_system', current_schema()); END $$;
GRANT USAGE ON SEQUENCE events_id_seq, jobs_seq_seq TO sluice_app, sluice_system;
GRANT SELECT ON jobs_counted, jobs_labelled, sluice_migrations TO sluice_app, sluice_system;
REVOKE ALL ON FUNCTION enter_by_key, tenant_of_reader FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_by_key TO sluice_app;
"""
_GATE_OF_READERS: LiteralString = """
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_reader', current_schema()); END $$;
GRANT EXECUTE ON FUNCTION tenant_of_reader TO sluice_reader;
"""

# Statements that give the owner of the tables each thing beside them that is another's. Functions of the wall have the
# rights of their owner.
_STRAYS = """
SELECT format('ALTER %%s %%s OWNER TO sluice_owner', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass)
FROM pg_class
WHERE oid IN (to_regclass('jobs_counted'), to_regclass('jobs_labelled'), to_regclass('sluice_migrations'))
  AND relowner <> 'sluice_owner'::regrole
UNION ALL
SELECT format('ALTER ROUTINE %%s OWNER TO sluice_owner', oid::regprocedure) FROM pg_proc
WHERE proname = ANY (%s) AND pronamespace = current_schema()::regnamespace AND proowner <> 'sluice_owner'::regrole
"""
ROUTINES = (
    *("enter_by_key", "keep_audit_log", "tenant_of_delivery", "tenant_of_event_writer", "tenant_of_job"),
    *("tenant_of_reader", "tenant_of_state_writer", "tenant_of_upload", "with_brief_locks"),
)


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
    there = roles.make(conn)
    owned = roles.may_own(conn)
    for table, owner, comment, policies in conn.execute(_TABLES, (list(WALLED),)).fetchall():
        statements = _statements(table, roles.OWNER if owned else str(owner), there)  # type: ignore[arg-type] # a text
        text = statements.as_bytes()
        built_as, whole = sha256(text).hexdigest(), policies == text.count(b"CREATE POLICY")
        if comment != built_as or not whole or (owned and owner != roles.OWNER):
            if owned:
                roles.keep_rights(conn, str(owner))
            conn.execute(statements)
            name = sql.SQL("COMMENT ON POLICY all_rows ON {} IS {}")
            conn.execute(name.format(sql.Identifier(str(table)), sql.Literal(built_as)))
            return True
    return (owned and _take_over(conn)) or (there >= roles.HELD and _open_gate(conn, there))


def _statements(table: LiteralString, owner: str, there: frozenset[str]) -> sql.Composed:
    """Return what builds a table's part of the wall, for the roles that are there."""
    read, written = WALLED[table]
    columns = READABLE.get(table)
    return sql.SQL(
        _WALL
        + (_WITH_ROLES if there >= roles.HELD else _WITHOUT_ROLES)
        + (_APPEND_ALONE if there >= roles.HELD and table in _APPENDED else "")
        + (_WITH_READERS if table in READABLE and roles.READER in there else "")
    ).format(
        table=sql.Identifier(table),
        owner=sql.Identifier(owner),
        read=sql.SQL(read),
        written=sql.SQL(written),
        readable=sql.SQL(_READ_ROWS.get(table, _OF_READER)),
        columns=sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL(""),
    )


def _take_over(conn: Connection) -> bool:
    """Give one thing beside the tables to their owner. Return False if that has all of them."""
    strays = conn.execute(_STRAYS, (list(ROUTINES),)).fetchall()
    for (statement,) in strays[:1]:
        conn.execute(str(statement).encode())
    return bool(strays)


def _open_gate(conn: Connection, there: frozenset[str]) -> bool:
    """Give the roles their rights to what stands beside the tables. Return False if they have them."""
    statements = _GATE + (_GATE_OF_READERS if roles.READER in there else "")
    built_as = sha256(statements.encode()).hexdigest()
    if conn.execute(_HAS_GATE, (built_as,)).fetchone() == (True,):
        return False
    conn.execute(statements)
    conn.execute(sql.SQL("COMMENT ON FUNCTION enter_by_key IS {}").format(sql.Literal(built_as)))
    return True
