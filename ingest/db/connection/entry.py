"""Say whose a transaction is: behind the wall (`ingest.db.connection.walls`) it sees the rows of that tenant alone.

It is said for one transaction, in a message that is sent anyway. A transaction that does not say it sees no rows.
"""

from typing import LiteralString, NamedTuple


class Entry(NamedTuple):
    """The words of a transaction.

    Attributes:
        name: of the statement, where it is prepared.
        statement: with one parameter.
        value: of the parameter, as text.
        spelled: the statement with its value.
    """

    name: bytes
    statement: LiteralString
    value: str
    spelled: bytes


def of_tenant(tenant_id: int) -> Entry:
    """Return the entry of a tenant, by its internal id."""
    spelled = f"SET LOCAL sluice.tenant = '{tenant_id:d}'".encode()
    return Entry(b"enter_tenant", "SELECT set_config('sluice.tenant', %s::text, true)", str(tenant_id), spelled)


def of_everyone() -> Entry:
    """Return the entry of nobody in particular, for an operator of the installation: it takes web's role off.

    The transaction then sees all rows, as the login does that runs jobs in web, and the sessions of other processes.
    """
    return Entry(b"enter_all", "SELECT set_config('role', %s::text, true)", "none", b"SET LOCAL ROLE NONE")


def of_key(key_hash: bytes) -> Entry:
    """Return the entry of the tenant that a key opens, by the SHA-256 of the key; that of nobody where none has it."""
    value = f"\\x{key_hash.hex()}"
    spelled = f"SELECT enter_by_key('{value}')".encode()
    return Entry(b"enter_by_key", "SELECT enter_by_key(%s::text::bytea)", value, spelled)
