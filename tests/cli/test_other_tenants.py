"""Every command that takes a tenant or an id, with ids of another tenant: it shows and changes nothing of that."""

import secrets
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner, Result

from cli import main
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import keys
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries
from ingest.engine import webhooks
from ingest.engine.executor import Executor
from ingest.ids import JOB, MESSAGE, WEBHOOK, spell, uuid7
from ingest.jobs import JobOptions
from ingest.webhooks.message import EVENTS
from tests.support.factories import MASTER_KEYS, accept, entity, make_tenant
from tests.support.rows import rows_of

# Stands in all that the first tenant has, and in no id.
_MARK = "hunter2"

# Parameters that name something, or somebody.
_NAMING = {"tenant", "job", "parent", "key", "webhook", "delivery", "external_id"}

# Commands that ask a server, with a key of their own: tests/api/test_other_tenants.py.
_OF_THE_CLIENT = {("load",), ("top",), ("jobs", "top"), ("jobs", "watch")}

# Commands that find what they name, since that is the tenant itself.
_OF_A_TENANT = {
    *{("audit",), ("jobs", "list"), ("keys", "create"), ("keys", "list"), ("webhooks", "create"), ("webhooks", "list")},
    *{("tenants", "set"), ("tenants", "suspend"), ("tenants", "resume"), ("readers", "add")},
}


def _commands(
    group: click.Command = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            yield from _commands(group.get_command(context, name) or click.Command(name), (*path, name))
    elif path not in _OF_THE_CLIENT:
        yield path, group


_NAMING_COMMANDS = {
    path: command for path, command in _commands() if _NAMING & {parameter.name for parameter in command.params}
}
_WITH_TENANT = {
    path: command
    for path, command in _NAMING_COMMANDS.items()
    if "tenant" in {parameter.name for parameter in command.params}
}
_BY_ID_ALONE = {path: command for path, command in _NAMING_COMMANDS.items() if path not in _WITH_TENANT}


def _arguments(command: click.Command, values: dict[str, str]) -> list[str]:
    """Return arguments for all that is required, and for all that names something."""
    given = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            given.append(values[str(parameter.name)])
        elif parameter.required or parameter.name in _NAMING:
            given += [parameter.opts[0], values[str(parameter.name)]]
    return given


def _things(pool: Pool, executor: Executor, mark: str) -> tuple[Tenant, dict[str, str]]:
    """Return a tenant that has something of each kind, and their ids by the names of parameters."""
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn, name=mark)
        items = [entity(1, data={"email": mark}), entity(2, entityType=mark)]
        labelled = JobOptions(label=mark)
        done = accept(conn, tenant, "entities", items, options=labelled)
        waiting = accept(conn, tenant, "entities", [entity(3, data={"email": mark})], options=labelled)
        conn.execute("UPDATE jobs SET parent_job_id = %s WHERE id = %s", (done, waiting))
        key, _ = keys.create(conn, tenant.id, "oh_live", mark)
        keys.create(conn, tenant.id, "oh_live", mark)
        wanted = {"url": f"https://x.example/{mark}", "events": EVENTS, "description": mark, "allow_private": False}
        webhook, _ = webhooks.create(conn, MasterKeys.parse(MASTER_KEYS), tenant.id, **wanted)
        delivery = deliveries.add_test(conn, webhook.id).id
    executor.run(done, seconds=60)
    return tenant, {
        "tenant": str(tenant.public_id),
        "external_id": "player_000001",
        "job": spell(JOB, waiting),
        "parent": spell(JOB, done),
        "key": str(key.id),
        "webhook": spell(WEBHOOK, webhook.id),
        "delivery": spell(MESSAGE, delivery),
        "url": "https://x.example",
        "prefix": "oh_live",
        "weight": "2",
        "name": f"reader_{secrets.token_hex(4)}",
    }


@pytest.fixture
def theirs(pool: Pool, executor: Executor) -> tuple[Tenant, dict[str, str]]:
    return _things(pool, executor, _MARK)


@pytest.fixture
def own(pool: Pool, executor: Executor) -> dict[str, str]:
    return _things(pool, executor, "own")[1]


@pytest.fixture
def run(database_url: str, redis_url: str) -> Callable[..., Result]:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SLUICE_MASTER_KEYS": MASTER_KEYS}

    def call(path: tuple[str, ...], arguments: list[str]) -> Result:
        result = CliRunner().invoke(main, [*path, *arguments], env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), (path, result.exception)
        return result

    return call


def test_no_command_for_a_tenant_finds_anything_of_another(
    run: Callable[..., Result], theirs: tuple[Tenant, dict[str, str]], pool: Pool, observer: Connection
) -> None:
    tenant, ids = theirs
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn, name="Stranger")
    before, succeeded = rows_of(observer, tenant.id), set()
    assert len(_WITH_TENANT) >= 20
    try:
        for path, command in _WITH_TENANT.items():
            result = run(path, _arguments(command, {**ids, "tenant": str(stranger.public_id)}))
            assert _MARK not in result.output, path
            if result.exit_code == 0:
                succeeded.add(path)
            else:
                assert "Error: " in result.output, path
    finally:
        run(("readers", "remove"), [ids["name"]])
    assert succeeded == _OF_A_TENANT
    assert rows_of(observer, tenant.id) == before


def test_no_command_that_names_one_thing_touches_another_tenants(
    run: Callable[..., Result],
    theirs: tuple[Tenant, dict[str, str]],
    own: dict[str, str],
    observer: Connection,
) -> None:
    tenant, _ = theirs
    before = rows_of(observer, tenant.id)
    assert len(_BY_ID_ALONE) > 7
    for path, command in _BY_ID_ALONE.items():
        assert _MARK not in run(path, _arguments(command, own)).output, path
    assert rows_of(observer, tenant.id) == before


def test_an_id_of_nothing_or_of_another_kind_is_said_to_be_none(
    run: Callable[..., Result], theirs: tuple[Tenant, dict[str, str]], observer: Connection
) -> None:
    tenant, ids = theirs
    before = rows_of(observer, tenant.id)
    for another in (str(uuid7()), ids["tenant"]):
        for path, command in _BY_ID_ALONE.items():
            result = run(path, _arguments(command, dict.fromkeys(ids, another)))
            assert (result.exit_code, "There is no" in result.output) == (1, True), (path, result.output)
    assert rows_of(observer, tenant.id) == before
