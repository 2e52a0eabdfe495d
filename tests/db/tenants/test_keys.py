import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from ingest.db.connection.pool import Connection, Pool, transaction
from ingest.db.tenants import key_changes, keys, tenants
from ingest.db.tenants.keys import Caller, Key
from ingest.db.tenants.tenants import Tenant
from ingest.errors import LastKey, LimitReached, WrongState
from ingest.ids import uuid7
from ingest.rights import Rights
from tests.support.factories import make_tenant


def known(conn: Connection, secret: str) -> Caller:
    caller = keys.caller(conn, secret)
    assert caller is not None
    return caller


@pytest.mark.parametrize(
    ("prefix", "spelling"), [("oh_live", r"oh_live_[0-9a-f]{64}"), ("fm_live", r"fm_live_[A-Za-z0-9_-]{32}")]
)
def test_a_key_is_shown_once_and_kept_as_its_digest(
    conn: Connection, tenant: Tenant, prefix: str, spelling: str
) -> None:
    key, secret = keys.create(conn, tenant.id, prefix, "laptop")
    assert re.fullmatch(spelling, secret)
    assert (key.prefix, key.label, key.hash) == (prefix, "laptop", keys.digest(secret))
    assert len(key.hash) == 32
    row = conn.execute("SELECT k::text FROM api_keys k WHERE id = %s", (key.id,)).fetchone()
    assert row is not None
    assert secret[8:] not in str(row[0])


def test_no_two_keys_are_alike(conn: Connection, tenant: Tenant) -> None:
    assert len({keys.create(conn, tenant.id, "oh_live", "x")[1] for _ in range(20)}) == 20


def test_a_key_lets_in_its_tenant_alone(conn: Connection, tenant: Tenant) -> None:
    key, secret = keys.create(conn, tenant.id, "oh_live", "laptop")
    make_tenant(conn)
    caller = known(conn, secret)
    assert (caller.key_id, caller.key_label, caller.tenant_id) == (key.id, "laptop", tenant.id)
    assert (caller.tenant_public_id, caller.tenant_name) == (tenant.public_id, "Acme")
    assert (caller.template_id, caller.batch_wait_seconds) == (tenant.template_id, 0)
    assert (caller.revoked, caller.expired, caller.suspended) == (False, False, False)


@pytest.mark.parametrize("change", [str.upper, lambda secret: secret[:-1], lambda secret: secret + "0", lambda _: ""])
def test_any_other_text_lets_nobody_in(conn: Connection, change: Callable[[str], str]) -> None:
    _, secret = make_tenant(conn)
    assert keys.caller(conn, change(secret)) is None


def test_a_key_says_itself_why_it_lets_nobody_in_any_more(conn: Connection, tenant: Tenant) -> None:
    key, secret = keys.create(conn, tenant.id, "oh_live", "x")
    expired, expired_secret = keys.create(conn, tenant.id, "oh_live", "y")
    assert key_changes.revoke(conn, tenant.id, key.id)
    conn.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (expired.id,))
    assert (known(conn, secret).revoked, known(conn, secret).expired) == (True, False)
    assert (known(conn, expired_secret).revoked, known(conn, expired_secret).expired) == (False, True)
    tenants.suspend(conn, tenant.public_id)
    assert known(conn, secret).suspended


def test_a_key_that_expires_later_is_good_until_then(conn: Connection, tenant: Tenant) -> None:
    key, secret = keys.create(conn, tenant.id, "oh_live", "x")
    conn.execute("UPDATE api_keys SET expires_at = now() + interval '1 second' WHERE id = %s", (key.id,))
    assert not known(conn, secret).expired


def test_the_time_of_last_use_is_noted_to_the_minute(conn: Connection, tenant: Tenant) -> None:
    key, secret = keys.create(conn, tenant.id, "oh_live", "x")

    def last_used(seconds_ago: int) -> bool:
        noted = "UPDATE api_keys SET last_used_at = now() - make_interval(secs => %s) WHERE id = %s"
        conn.execute(noted, (seconds_ago, key.id))
        known(conn, secret)
        return conn.execute("SELECT FROM api_keys WHERE id = %s AND last_used_at = now()", (key.id,)).rowcount == 1

    known(conn, secret)
    first = keys.get(conn, key.id)
    assert first is not None
    assert first.last_used_at is not None
    assert last_used(seconds_ago=61)
    assert not last_used(seconds_ago=59)


def test_a_request_does_not_wait_to_note_the_time(pool: Pool, owner: Tenant, other: Connection) -> None:
    with transaction(pool) as conn:
        key, secret = keys.create(conn, owner.id, "oh_live", "x")
    other.execute("SELECT FROM api_keys WHERE id = %s FOR UPDATE", (key.id,))
    with transaction(pool) as conn:
        assert known(conn, secret).stale


def test_keys_are_listed_the_oldest_first_revoked_ones_included(conn: Connection, tenant: Tenant) -> None:
    [first] = keys.of_tenant(conn, tenant.id)
    second, _ = keys.create(conn, tenant.id, "oh_live", "second")
    key_changes.revoke(conn, tenant.id, first.id)
    make_tenant(conn)
    assert [key.id for key in keys.of_tenant(conn, tenant.id)] == [first.id, second.id]
    assert keys.of_tenant(conn, tenant.id)[0].revoked_at is not None


def test_only_its_tenant_can_relabel_or_revoke_a_key(conn: Connection, tenant: Tenant) -> None:
    key, _ = keys.create(conn, tenant.id, "oh_live", "mine")
    other, _ = make_tenant(conn)
    assert key_changes.change(conn, other.id, key.id, {"label": "theirs"}) is None
    assert not key_changes.revoke(conn, other.id, key.id)
    assert keys.get(conn, key.id) == key
    relabelled = key_changes.change(conn, tenant.id, key.id, {"label": "still mine"})
    assert relabelled is not None
    assert relabelled.label == "still mine"


def test_of_an_unknown_id_there_is_no_key(conn: Connection, tenant: Tenant) -> None:
    assert keys.get(conn, uuid7()) is None
    assert key_changes.change(conn, tenant.id, uuid7(), {"label": "x"}) is None
    assert not key_changes.revoke(conn, tenant.id, uuid7())


def test_revoking_twice_keeps_the_first_time(conn: Connection, tenant: Tenant) -> None:
    key, _ = keys.create(conn, tenant.id, "oh_live", "x")
    assert key_changes.revoke(conn, tenant.id, key.id)
    first = keys.get(conn, key.id)
    assert key_changes.revoke(conn, tenant.id, key.id)
    assert keys.get(conn, key.id) == first


def test_the_last_active_key_cannot_be_revoked(conn: Connection, tenant: Tenant) -> None:
    [last] = keys.of_tenant(conn, tenant.id)
    with pytest.raises(LastKey):
        key_changes.revoke(conn, tenant.id, last.id)
    expired, _ = keys.create(conn, tenant.id, "oh_live", "x")
    conn.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (expired.id,))
    with pytest.raises(LastKey):
        key_changes.revoke(conn, tenant.id, last.id)
    assert key_changes.revoke(conn, tenant.id, expired.id)
    assert [key.revoked_at for key in keys.of_tenant(conn, tenant.id) if key.id == last.id] == [None]


def test_a_key_of_the_other_api_does_not_make_up_for_the_last_one_of_this(conn: Connection, tenant: Tenant) -> None:
    [operator] = keys.of_tenant(conn, tenant.id)
    public, _ = keys.create(conn, tenant.id, "fm_live", "x")
    for last in (operator, public):
        with pytest.raises(LastKey):
            key_changes.revoke(conn, tenant.id, last.id)
    keys.create(conn, tenant.id, "fm_live", "y")
    assert key_changes.revoke(conn, tenant.id, public.id)


def test_two_at_once_cannot_each_revoke_the_others_last_but_one(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        [first] = keys.of_tenant(conn, owner.id)
        second: Key = keys.create(conn, owner.id, "oh_live", "second")[0]
    with ThreadPoolExecutor(1) as thread:
        with transaction(pool) as conn:
            assert key_changes.revoke(conn, owner.id, first.id)
            blocked = thread.submit(key_changes.revoke, other, owner.id, second.id)
            until_blocked(other)
        with pytest.raises(LastKey):
            blocked.result()


def test_a_tenant_has_a_hundred_active_keys_at_most(conn: Connection) -> None:
    tenant, _ = make_tenant(conn)
    made = [keys.create(conn, tenant.id, prefix, "")[0] for prefix in ["oh_live", "fm_live"] * 49 + ["oh_live"]]
    with pytest.raises(LimitReached, match="100 active API keys"):
        keys.create(conn, tenant.id, "oh_live", "one too many")
    keys.create(conn, make_tenant(conn)[0].id, "oh_live", "another tenant's")
    key_changes.revoke(conn, tenant.id, made[0].id)
    keys.create(conn, tenant.id, "oh_live", "there is room again")
    conn.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (made[1].id,))
    keys.create(conn, tenant.id, "oh_live", "and again")


def test_a_rotated_key_expires_after_the_overlap_and_the_new_one_may_do_the_same(
    conn: Connection, tenant: Tenant
) -> None:
    rights = Rights(["admin", "read"], datetime.now(UTC) + timedelta(days=90), [ip_network("203.0.113.0/24")], 60)
    former, _ = keys.create(conn, tenant.id, "oh_live", "importer", rights)
    made, secret = key_changes.rotate(conn, former, overlap=timedelta(hours=24))
    stored = keys.get(conn, former.id)
    assert stored
    assert stored.active
    assert stored.expires_at == stored.created_at + timedelta(hours=24)
    assert (made.prefix, made.label) == ("oh_live", "importer")
    assert made.expires_at
    assert rights.expires_at
    assert abs(made.expires_at - rights.expires_at) < timedelta(minutes=1)
    assert replace(made.rights, expires_at=None) == replace(former.rights, expires_at=None)
    assert known(conn, secret).key_id == made.id
    again, _ = key_changes.rotate(conn, stored, overlap=timedelta(days=9), lifetime=timedelta(days=30))
    assert again.expires_at
    stored = keys.get(conn, former.id)
    assert stored
    assert stored.expires_at == stored.created_at + timedelta(hours=24), "an overlap makes no key live longer"


def test_the_last_key_of_a_tenant_can_be_rotated_and_one_that_is_closed_cannot(
    conn: Connection, tenant: Tenant
) -> None:
    [last] = keys.of_tenant(conn, tenant.id)
    made, _ = key_changes.rotate(conn, last, overlap=timedelta(0))
    assert [key.active for key in keys.of_tenant(conn, tenant.id)] == [False, True]
    assert made.expires_at is None
    with pytest.raises(WrongState):
        key_changes.rotate(conn, last, overlap=timedelta(0))


def test_two_at_once_cannot_each_take_admin_from_the_others_last_but_one(
    pool: Pool, owner: Tenant, other: Connection, until_blocked: Callable[[Connection], None]
) -> None:
    with transaction(pool) as conn:
        [first] = keys.of_tenant(conn, owner.id)
        second, _ = keys.create(conn, owner.id, "oh_live", "second")
    with ThreadPoolExecutor(1) as thread:
        with transaction(pool) as conn:
            assert key_changes.change(conn, owner.id, first.id, {"scopes": ["read"]})
            blocked = thread.submit(key_changes.change, other, owner.id, second.id, {"scopes": ["read"]})
            until_blocked(other)
        with pytest.raises(LastKey):
            blocked.result()


def test_of_keys_that_open_nothing_the_oldest_are_forgotten(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_MOST_CLOSED", 3)
    tenant, _ = make_tenant(conn)
    made = [keys.create(conn, tenant.id, "oh_live", str(number))[0] for number in range(6)]
    for key in made:
        key_changes.revoke(conn, tenant.id, key.id)
    keys.create(conn, tenant.id, "oh_live", "new")
    assert [key.label for key in keys.of_tenant(conn, tenant.id)] == ["test", "3", "4", "5", "new"]


def test_two_at_once_make_no_key_too_many(
    pool: Pool, until_blocked: Callable[[Connection], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST", 2)
    with transaction(pool) as conn:
        tenant, _ = make_tenant(conn)

    with ThreadPoolExecutor(1) as thread, transaction(pool) as first, transaction(pool) as second:
        keys.create(first, tenant.id, "oh_live", "first")
        made = thread.submit(keys.create, second, tenant.id, "oh_live", "second")
        until_blocked(second)
        first.commit()
        with pytest.raises(LimitReached):
            made.result()
