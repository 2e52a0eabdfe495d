"""All that is stored of a person is exported, and erased, what ended jobs keep unprocessed included."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.jobs import control, lookup, receiving
from ingest.db.tenants.tenants import Tenant
from ingest.engine import kept_payloads, people
from ingest.engine.children import child_of, commit
from ingest.engine.executor import Executor
from ingest.engine.kept_payloads import Search
from ingest.ids import uuid7
from ingest.intake.blocks import Block, blocks_of_lines, blocks_of_rows, pack_picked
from ingest.intake.payloads import items_of
from ingest.intake.picked import Picked
from ingest.jobs import CsvFormat, Effect, JobOptions
from tests.support.factories import MASTER_KEYS, entity, event, make_sealer, new_job, state
from tests.support.seen import effect_counts

Submit = Callable[..., UUID]
Erase = Callable[[str], Search]

MARK = "marked-4711"


@pytest.fixture
def erase(pool: Pool, owner: Tenant) -> Erase:
    """Erases an entity's items from what ended jobs keep."""

    @contextmanager
    def lend() -> Iterator[Connection]:
        with transaction(pool) as conn:
            yield conn

    return partial(_erase, lend, owner.id)


def _erase(lend: Callable[[], AbstractContextManager[Connection]], tenant_id: int, external_id: str) -> Search:
    return kept_payloads.erase(lend, tenant_id, external_id, MasterKeys.parse(MASTER_KEYS), lambda *_: None)


def export(pool: Pool, tenant: Tenant, external_id: str) -> Any:
    with transaction(pool) as conn:
        parts = people.export(conn, tenant.id, external_id, make_sealer(tenant.id), counts=Counter())
        return json.loads(b"".join(parts))


def texts(observer: Connection, tenant: Tenant, csv: CsvFormat | None = None) -> list[str]:
    rows: Any = observer.execute("SELECT payload, first_line FROM job_blocks WHERE payload <> '' ORDER BY job_id, no")
    return [
        bytes(text).decode()
        for payload, first_line in rows
        for text in items_of(make_sealer(tenant.id).payload(payload), first_line, csv).texts
    ]


def test_an_export_has_all_that_is_stored_of_a_person_in_the_clear(
    submit: Submit, executor: Executor, pool: Pool, owner: Tenant
) -> None:
    data = {"email": MARK, "first_name": None, "vip_level": 3}
    batches = {
        "entities": [entity(1, data=data), entity(2), entity(1, entityType="plaier", data={"email": MARK})],
        "states": [state(1, value={"balance": 145.50})],
        "events": [*(event(1, eventType="session", data={"n": n}) for n in range(1_100)), event(2)],
    }
    for kind, items in batches.items():
        executor.run(submit(kind, items, sealed=True), seconds=60)
    found = export(pool, owner, "player_000001")
    assert (found["externalId"], found["entity"]["entityType"], found["entity"]["data"]) == (
        "player_000001",
        "player",
        data,
    )
    assert [row["value"] for row in found["states"]] == [{"balance": 145.5}]
    assert [row["data"]["n"] for row in found["events"]] == list(reversed(range(1_100)))
    [failed] = found["failedItems"]
    assert (failed["type"], failed["index"], failed["code"]) == ("batch_ingest_entities", 2, "VALIDATION_FAILED")
    assert failed["item"]["data"] == {"email": MARK}
    nobody = export(pool, owner, "nobody")
    members = (
        "states",
        "events",
        "objects",
        "failedItems",
        "editedItems",
        "openUploads",
        "openJobs",
        "unprocessedItems",
    )
    assert nobody == {"externalId": "nobody", "entity": None, **{member: [] for member in members}}


def _stored(pool: Pool, owner: Tenant, block: Block, options: JobOptions = JobOptions()) -> UUID:  # noqa: B008 # frozen
    """Store a sealed job of one block, and cancel it."""
    job = new_job(owner, options=options)
    with transaction(pool) as conn:
        assert receiving.begin(conn, job)
        assert receiving.append(conn, job.id, 0, make_sealer(owner.id).block(block))
        assert receiving.accept(conn, job, 1)
        assert control.cancel(conn, job.id)
    return job.id


def test_unprocessed_items_of_ended_jobs_are_erased_from_arrays_and_lines(
    submit: Submit, pool: Pool, owner: Tenant, erase: Erase, observer: Connection
) -> None:
    array = submit("entities", [entity(n, data={"email": f"{MARK} {n}"}) for n in range(5)], block_items=2, sealed=True)
    with transaction(pool) as conn:
        assert control.cancel(conn, array)
    sent = [entity(n, data={"email": f"{MARK} {n}"}) for n in (1, 2, 1)]
    body = "".join(f"{json.dumps(item)}\n" for item in sent).encode() + b"no JSON\n"
    [lines] = blocks_of_lines([body], longest_line=1_000)
    _stored(pool, owner, lines)
    assert erase("player_000001") == Search(3, 0)
    assert [text for text in texts(observer, owner) if f"{MARK} 1" in text] == []
    assert len([text for text in texts(observer, owner) if MARK in text]) == 5
    assert erase("player_000001") == Search(0, 0)
    assert observer.execute("SELECT FROM job_blocks WHERE substring(payload FROM 1 FOR 1) <> '\\xf5'").rowcount == 0


def test_unprocessed_rows_and_picked_items_are_erased(
    pool: Pool, owner: Tenant, erase: Erase, observer: Connection
) -> None:
    csv = CsvFormat(header="externalId,entityType,email")
    rows = f'p1,player,{MARK} 1\np2,player,"{MARK}\n2"\nbad,"row\n'.encode()
    [block] = blocks_of_rows([rows], ",", longest=1_000, first_line=2)
    _stored(pool, owner, block, JobOptions(csv=csv))
    assert erase("p1") == Search(1, 0)
    found = texts(observer, owner, csv)
    assert (found[0], MARK in found[1]) == ("{}", True)
    observer.execute("DELETE FROM jobs")
    picked = pack_picked([Picked(4, None, json.dumps(entity(n, data={"email": MARK})).encode()) for n in (1, 2)])
    _stored(pool, owner, picked, JobOptions(picked="failed"))
    assert erase("player_000002") == Search(1, 0)
    assert [MARK in text for text in texts(observer, owner)] == [True, False]


def test_unprocessed_objects_of_the_public_api_are_erased_by_their_id(
    submit: Submit, pool: Pool, owner: Tenant, erase: Erase, observer: Connection
) -> None:
    objects = [{"type": "Customer", "id": name, "properties": {"email": MARK}} for name in ("c1", "c2")]
    with transaction(pool) as conn:
        assert control.cancel(conn, submit("objects", objects, sealed=True))
    assert erase("c1") == Search(1, 0)
    assert [MARK in text for text in texts(observer, owner)] == [False, True]


def test_an_erasure_that_is_stopped_has_told_of_what_it_erased_and_of_no_more(
    submit: Submit, pool: Pool, owner: Tenant, observer: Connection
) -> None:
    with transaction(pool) as conn:
        assert control.cancel(conn, submit("entities", [entity(1)] * 2 + [entity(2), entity(1)], block_items=2))
    observer.execute("CREATE TABLE told (items integer)")
    keys = MasterKeys.parse(MASTER_KEYS)

    @contextmanager
    def lend() -> Iterator[Connection]:
        with transaction(pool) as conn:
            yield conn
            if conn.execute("SELECT FROM told").rowcount == 2:
                raise KeyboardInterrupt

    def tell(conn: Connection, items: int) -> None:
        conn.execute("INSERT INTO told VALUES (%s)", (items,))

    with pytest.raises(KeyboardInterrupt):
        kept_payloads.erase(lend, owner.id, "player_000001", keys, tell)
    same = "SELECT t.items FROM told t JOIN job_blocks b ON b.xmin::text = t.xmin::text"  # written by one transaction
    assert observer.execute(same).fetchall() == observer.execute("SELECT items FROM told").fetchall() == [(2,)]
    assert [text == "{}" for text in texts(observer, owner)] == [True, True, False, False]


def test_items_of_an_aborted_job_are_erased_though_none_is_unprocessed(
    submit: Submit, executor: Executor, erase: Erase, observer: Connection, owner: Tenant
) -> None:
    job_id = submit("entities", [entity(1, entityType="plaier")], sealed=True, options=JobOptions(atomic=True))
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.FAILED: 1}
    assert erase("player_000001") == Search(1, 0)
    assert texts(observer, owner) == ["{}"]


def test_items_with_half_of_a_surrogate_pair_are_erased(
    pool: Pool, owner: Tenant, erase: Erase, observer: Connection
) -> None:
    sent = b'{"externalId":"p1","entityType":"player","data":{"email":"%b\\ud800"}}\n' % MARK.encode()
    [lines] = blocks_of_lines([sent + sent.replace(b"p1", b"p2")], longest_line=1_000)
    _stored(pool, owner, lines)
    assert erase("p1") == Search(1, 0)
    assert [MARK in text for text in texts(observer, owner)] == [False, True]


def test_payloads_that_cannot_be_read_keep_no_others_from_being_erased(
    submit: Submit, pool: Pool, erase: Erase, observer: Connection
) -> None:
    jobs = [submit("entities", [entity(1)], sealed=True) for _ in range(3)]
    with transaction(pool) as conn:
        for job_id in jobs:
            assert control.cancel(conn, job_id)
    lost, damaged = b"\xf5\x04lost" + bytes(40), b"neither JSON nor compressed"
    for job_id, payload in zip(jobs, (lost, damaged), strict=False):
        observer.execute("UPDATE job_blocks SET payload = %s WHERE job_id = %s", (payload, job_id))
    assert erase("player_000001") == Search(1, 2)
    kept = observer.execute("SELECT payload FROM job_blocks ORDER BY job_id").fetchall()
    assert kept[:2] == [(lost,), (damaged,)]


def test_a_job_whose_items_were_erased_can_be_sent_again(
    submit: Submit, pool: Pool, owner: Tenant, executor: Executor, erase: Erase, observer: Connection
) -> None:
    items = [entity(n, data={"email": MARK}) for n in range(3)]
    job_id = submit("entities", items, sealed=True, options=JobOptions(validate_only=True))
    executor.run(job_id, seconds=60)
    assert erase("player_000001") == Search(1, 0)
    with transaction(pool) as conn:
        parent = lookup.get(conn, job_id)
        assert parent is not None
        child = child_of(parent, uuid7(), template_id=owner.template_id, request_id="test", picked=None)
        commit(conn, parent, child)
    executor.run(child.id, seconds=60)
    assert effect_counts(observer, child.id) == {Effect.CREATED: 2, Effect.FAILED: 1}
    names = [row[0] for row in observer.execute("SELECT external_id FROM entities ORDER BY 1")]
    assert names == ["player_000000", "player_000002"]


def test_items_of_jobs_that_have_not_ended_are_left_alone(
    submit: Submit, executor: Executor, erase: Erase, observer: Connection
) -> None:
    job_id = submit("entities", [entity(1)], sealed=True)
    assert erase("player_000001") == Search(0, 0)
    executor.run(job_id, seconds=60)
    assert effect_counts(observer, job_id) == {Effect.CREATED: 1}
