"""`sluice readers`: logins of analysts, with their entries in the audit log."""

import json
import secrets
from collections.abc import Callable, Iterator

import psycopg
import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.db.connection.pool import Connection
from ingest.db.tenants.tenants import Tenant

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Run:
    def call(*arguments: str, user: str | None = None) -> Result:
        separator = "&" if "?" in database_url else "?"
        url = f"{database_url}{separator}user={user}" if user else database_url
        return CliRunner().invoke(main, ["readers", *arguments], env={"DATABASE_URL": url, "REDIS_URL": redis_url})

    return call


@pytest.fixture
def name(observer: Connection) -> Iterator[str]:
    """A name for a role, which goes behind the test."""
    made = f"reader_{secrets.token_hex(4)}"
    yield made
    observer.execute(f"DROP ROLE IF EXISTS {made}".encode())


def test_a_reader_is_added_listed_and_removed(
    run: Run, owner: Tenant, name: str, observer: Connection, database_url: str
) -> None:
    database = observer.info.dbname
    observer.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC".encode())
    added = run("add", str(owner.public_id), name)
    assert added.exit_code == 0, added.output
    with psycopg.connect(database_url, user=name) as reader:
        assert reader.execute("SELECT id FROM tenants").fetchall() == [(owner.id,)]
    password = added.output.strip()
    [(stored,)] = observer.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (name,)).fetchall()
    assert (str(stored).startswith("SCRAM-SHA-256$"), password in str(stored), len(password)) == (True, False, 32)
    [row] = json.loads(run("list", "--json").output)
    assert (row["name"], row["tenant"], row["logsIn"]) == (name, str(owner.public_id), True)
    assert run("remove", name).output == f"removed {name}\n"
    assert json.loads(run("list", "--json").output) == []
    entries = observer.execute("SELECT action, object_id, tenant_id, details FROM audit_log ORDER BY id").fetchall()
    assert entries == [("reader.added", name, owner.id, {}), ("reader.removed", name, owner.id, {})]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "0198c2a4-5f1e-7cc3-98c4-dc0c0c07398f", "{name}"), "There is no tenant 0198c2a4"),
        (("add", "{tenant}", "Acme"), "a name has up to 63 small letters"),
        (("add", "{tenant}", "sluice_app"), "begins with none of digits, pg_ and sluice_"),
        (("add", "{tenant}", "sluice"), 'There is a role "sluice" in this server already'),
        (("remove", "sluice"), 'There is no reader "sluice"'),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, owner: Tenant, name: str, arguments: tuple[str, ...], told: str) -> None:
    result = run(*(argument.format(tenant=owner.public_id, name=name) for argument in arguments))
    assert (result.exit_code in {1, 2}, told in result.output) == (True, True), result.output


def test_a_login_that_may_make_no_roles_is_told_what_to_do(
    run: Run, owner: Tenant, name: str, observer: Connection
) -> None:
    login = f"login_{secrets.token_hex(4)}"
    observer.execute(f"CREATE ROLE {login} LOGIN IN ROLE sluice_system".encode())
    try:
        refused = run("add", str(owner.public_id), name, user=login)
        assert (refused.exit_code, "What to do: run this as a superuser" in refused.output) == (1, True), refused.output
        assert observer.execute("SELECT FROM readers").rowcount == 0
        observer.execute(f"ALTER ROLE {login} CREATEROLE; GRANT sluice_reader TO {login} WITH ADMIN OPTION".encode())
        assert run("add", str(owner.public_id), name, user=login).exit_code == 0
        removed = run("remove", name, user=login)
        assert removed.exit_code == 0, removed.output
    finally:
        observer.execute(f"DROP ROLE {login}".encode())
