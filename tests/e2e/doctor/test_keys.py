"""Lines on what the master keys decrypt, and on the messages whose secrets they keep."""

from contextlib import closing

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import connect, transaction
from ingest.db.webhooks import deliveries, registry
from ingest.engine import webhooks as engine
from ingest.ids import JOB, WEBHOOK, spell, uuid7
from ingest.master_keys import generate
from ingest.webhooks.message import EVENTS
from tests.support.factories import MASTER_KEYS, accept, entity, make_tenant, run_pending


def test_messages_that_nobody_sends_are_a_fail_and_late_ones_a_warning(doctor, pool, execute, database_url):
    assert doctor()["webhooks"] == ("ok", "0 connected, and no message waits to be sent")
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        wanted = {"url": "https://x.example", "events": EVENTS, "description": None, "secret": "x"}
        deliveries.add_test(conn, registry.create(conn, uuid7(), tenant.id, **wanted).id)
    assert doctor().level("webhooks") == "ok"
    execute("UPDATE webhook_deliveries SET next_at = now() - interval '2 minutes'")
    level, found = doctor()["webhooks"]
    assert (level, "120 s" in found) == ("fail", True)
    with closing(connect(database_url, "sluice-webhooks")):
        assert doctor().level("webhooks") == "warn"


def test_webhooks_whose_secret_no_master_key_decrypts_are_named(doctor, pool):
    kept, lost = generate(), generate()
    names = []
    with transaction(pool) as conn:
        tenant = make_tenant(conn)[0]
        for keys in (kept, lost):
            webhook, _ = engine.create(
                conn,
                MasterKeys.parse(keys),
                tenant.id,
                url="https://x.example",
                events=EVENTS,
                description=None,
                allow_private=False,
            )
            names.append(spell(WEBHOOK, webhook.id))
    assert doctor(SLUICE_MASTER_KEYS=f"{kept},{lost}")["webhook secrets"] == ("ok", "the master keys decrypt all 2")
    level, found = doctor(SLUICE_MASTER_KEYS=kept)["webhook secrets"]
    assert (level, found) == ("fail", f"no master key decrypts 1 of 2: {names[1]}")


def test_personal_data_need_their_keys_and_stand_in_the_clear_nowhere(doctor, pool, redis_url, execute):
    assert doctor(SLUICE_MASTER_KEYS="").level("personal data") == "ok"
    with transaction(pool) as conn:
        accept(conn, make_tenant(conn)[0], "entities", [entity()])
    run_pending(pool, redis_url)
    found = "1 tenants send some, and the master keys decrypt a sample"
    assert doctor()["personal data"] == ("ok", found)
    other = doctor(SLUICE_MASTER_KEYS=generate())
    assert other["personal data"] == ("fail", "encrypted under keys that are not configured: test")
    execute("""UPDATE entities SET properties = '{"email": "a"}', pii = NULL, pii_digests = NULL""")
    assert doctor().level("personal data") == "warn"
    level, found = doctor(SLUICE_MASTER_KEYS="")["personal data"]
    assert (level, "there is no master key" in found) == ("fail", True)


def test_jobs_whose_items_no_master_key_decrypts_are_named(doctor, pool):
    kept, lost = MASTER_KEYS, generate()
    with transaction(pool) as conn:
        job_id = accept(conn, make_tenant(conn)[0], "entities", [entity(1)], sealed=True)
        accept(conn, make_tenant(conn)[0], "entities", [entity(1)])
    level, found = doctor(SLUICE_MASTER_KEYS=kept)["items"]
    assert (level, found) == ("ok", "the master keys decrypt those of all 1 jobs whose items are encrypted")
    level, found = doctor(SLUICE_MASTER_KEYS=lost)["items"]
    assert (level, found) == ("fail", f"no master key decrypts the items of 1 jobs that wait: {spell(JOB, job_id)}")
