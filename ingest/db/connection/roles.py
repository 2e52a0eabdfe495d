"""The roles of the database: they belong to the whole server and log nobody in; logins have their rights.

    sluice_owner    `sluice migrate`: owns the tables
    sluice_app      web: the rows of the tenant that its transaction names (`ingest.db.connection.entry`), else none
    sluice_system   workers, sweep, webhooks and commands: all rows
    sluice_reader   SQL by analysts: the rows of the tenant whose reader the login is (`ingest.db.tenants.readers`)

`sluice migrate` makes them where its own role may. Without the second and the third there is no wall, and one role does
all; without the first, tables stay with the login that migrates; without the last, there are no readers.
"""

from typing import LiteralString

from psycopg import sql

from ingest.db.connection.session import Connection

OWNER = "sluice_owner"
READER = "sluice_reader"
HELD = frozenset({"sluice_app", "sluice_system"})  # a wall needs both
ROLES = (OWNER, *sorted(HELD), READER)

# Two that make them at once, in two databases of a server, both succeed. The login that makes them becomes a member of
# those whose work it may have to do.
MAKE_ROLES: LiteralString = """
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY '{sluice_owner, sluice_app, sluice_system, sluice_reader}'::text[] LOOP
        BEGIN
            IF to_regrole(role) IS NULL THEN
                EXECUTE format('CREATE ROLE %I', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
        END;
        BEGIN
            IF role <> 'sluice_reader' AND NOT pg_has_role(to_regrole(role)::oid, 'USAGE') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
        END;
    END LOOP;
END $$
"""
_PRESENT = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s)"

# The owner of tables needs rights to their schema: to get a table, and for each look at a foreign key.
_LET_OWN: LiteralString = """
DO $$
BEGIN
    IF pg_has_role(to_regrole('sluice_owner')::oid, 'USAGE')
       AND NOT has_schema_privilege('sluice_owner', current_schema(), 'CREATE') THEN
        EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO sluice_owner', current_schema());
    END IF;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$
"""
_MAY_OWN = """
SELECT pg_has_role(to_regrole('sluice_owner')::oid, 'USAGE')
       AND has_schema_privilege(to_regrole('sluice_owner')::oid, current_schema(), 'CREATE')
"""


def make(conn: Connection) -> frozenset[str]:
    """Make the roles that are missing, where the login may.

    Returns:
        Those that are there.
    """
    conn.execute(MAKE_ROLES)
    return present(conn)


def present(conn: Connection) -> frozenset[str]:
    """Return those of ROLES that are there."""
    return frozenset(str(name) for (name,) in conn.execute(_PRESENT, (list(ROLES),)))


def may_own(conn: Connection) -> bool:
    """True if `sluice_owner` is there, and this login may give it the tables."""
    conn.execute(_LET_OWN)
    return conn.execute(_MAY_OWN).fetchone() == (True,)


# A superuser is a member of all.
_KEEP_RIGHTS: LiteralString = """
DO $$
BEGIN
    IF NOT pg_has_role({former}, 'sluice_owner', 'USAGE') THEN
        GRANT sluice_owner TO {member};
    END IF;
END $$
"""


def keep_rights(conn: Connection, former: str) -> None:
    """Let the former owner of a table go on as a member of `sluice_owner`."""
    conn.execute(sql.SQL(_KEEP_RIGHTS).format(former=sql.Literal(former), member=sql.Identifier(former)))
