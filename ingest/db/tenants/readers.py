"""Readers: logins of the database for SQL by analysts. Each sees the rows of one tenant (`connection.walls`)."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import sql
from psycopg.rows import class_row

from ingest.db.connection import roles
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.errors import DatabaseError, InvalidInput, NotFound, RoleRefused

_PASSWORD_BYTES = 24

# SQLSTATEs: insufficient_privilege, and dependent_objects_still_exist.
_MAY_NOT, _OWNS_MORE = "42501", "2BP01"


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader.

    Attributes:
        name: of its role.
        tenant_id: whose rows it sees.
        created_at: when it was added.
        logs_in: its role is there, and may log in.
    """

    name: str
    tenant_id: int
    created_at: datetime
    logs_in: bool


_IS_ROLE = "SELECT FROM pg_roles WHERE rolname = %s"
_ADD = "INSERT INTO readers (tenant_id, name) VALUES (%s, %s)"
# Settings against accidents: a session may change them. The last keeps what one holds up short.
_MAKE_LOGIN: LiteralString = """
CREATE ROLE {name} LOGIN PASSWORD {password} CONNECTION LIMIT 10 IN ROLE sluice_reader;
ALTER ROLE {name} SET default_transaction_read_only = on;
ALTER ROLE {name} SET statement_timeout = '5min';
ALTER ROLE {name} SET idle_in_transaction_session_timeout = '1min';
"""
_MAY_CONNECT = "SELECT has_database_privilege(%s, current_database(), 'CONNECT'), current_database()"


def add(conn: Connection, tenant_id: int, name: str) -> str:
    """Make a login that sees the rows of a tenant.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        name: of the role, which no other role of the server has.

    Returns:
        Its password, which the server never sees in the clear.

    Raises:
        InvalidInput: there is a role of that name.
        RoleRefused: this login may not make others, or nobody has made `sluice_reader`.
    """
    if roles.READER not in roles.present(conn):
        raise RoleRefused(
            "There is no role sluice_reader. What to do: run `sluice migrate` as a superuser, or as a role with "
            "CREATEROLE"
        )
    if conn.execute(_IS_ROLE, (name,)).rowcount:
        raise InvalidInput(f'There is a role "{name}" in this server already: choose another name')
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    digest = conn.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    identifier = sql.Identifier(name)
    with _named_refusals(name):
        conn.execute(sql.SQL(_MAKE_LOGIN).format(name=identifier, password=sql.Literal(digest)))
        [(may_connect, database)] = conn.execute(_MAY_CONNECT, (name,)).fetchall()
        if not may_connect:
            grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}")
            conn.execute(grant.format(sql.Identifier(str(database)), identifier))
        conn.execute(_ADD, (tenant_id, name))
    return password


_READERS: LiteralString = """
SELECT name, tenant_id, created_at, coalesce(rolcanlogin, false) AS logs_in
FROM readers LEFT JOIN pg_roles ON rolname = name
"""
_EVERYONE: LiteralString = f"{_READERS} ORDER BY created_at, name"


def everyone(conn: Connection) -> list[Reader]:
    """Return all readers, the oldest first."""
    with conn.cursor(row_factory=class_row(Reader)) as cursor:
        return cursor.execute(_EVERYONE).fetchall()


_ONE = f"{_READERS} WHERE name = %s"
_REMOVE = "DELETE FROM readers WHERE name = %s"
_IS_MEMBER = "SELECT pg_has_role(%s, 'USAGE')"
# Only a member may take what is the role's own: large objects, rights to connect.
_DROP_LOGIN: LiteralString = """
ALTER ROLE {name} NOLOGIN;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {text};
DROP OWNED BY {name};
DROP ROLE {name};
"""


def remove(conn: Connection, name: str) -> Reader:
    """Drop a reader's login, whatever it owns in this database, and end its sessions.

    Args:
        conn: an open transaction.
        name: of the reader.

    Raises:
        NotFound: there is no such reader.
        RoleRefused: this login may not drop that one.
    """
    with conn.cursor(row_factory=class_row(Reader)) as cursor:
        reader = cursor.execute(_ONE, (name,)).fetchone()
    if reader is None:
        raise NotFound(f'There is no reader "{name}"')
    conn.execute(_REMOVE, (name,))
    if conn.execute(_IS_ROLE, (name,)).rowcount:
        with _named_refusals(name):
            identifier = sql.Identifier(name)
            if conn.execute(_IS_MEMBER, (name,)).fetchone() != (True,):
                conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(identifier))
            conn.execute(sql.SQL(_DROP_LOGIN).format(name=identifier, text=sql.Literal(name)))
    return reader


@contextmanager
def _named_refusals(name: str) -> Iterator[None]:
    """Say what to do where the server refuses to make or drop a login."""
    try:
        with translated():
            yield
    except DatabaseError as error:
        if error.sqlstate == _MAY_NOT:
            raise RoleRefused(
                f'The role in DATABASE_URL may not make or drop the role "{name}". What to do: run this as a '
                "superuser, or let one say ALTER ROLE … CREATEROLE and GRANT sluice_reader TO … WITH ADMIN OPTION"
            ) from None
        if error.sqlstate == _OWNS_MORE:
            raise RoleRefused(
                f'The role "{name}" owns something, or has rights, in another database of this server. What to do: as '
                f'a superuser say DROP OWNED BY "{name}" there, and run this again'
            ) from None
        raise
