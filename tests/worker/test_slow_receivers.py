"""Receivers that are slow or hang hold up no other, however many they are."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest

from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Pool, transaction
from ingest.db.jobs import control
from ingest.db.tenants.tenants import Tenant
from ingest.db.webhooks import deliveries, recording, sending
from ingest.db.webhooks.registry import Webhook
from ingest.db.webhooks.sending import Claim, Room
from ingest.engine import webhooks as engine
from ingest.jobs import JobOptions
from ingest.settings import Settings
from tests.support.factories import accept, entity, make_tenant
from tests.support.receiver import Receiver, status
from tests.worker.delivering import Hook, Process, create
from worker.webhooks import MOST_SLOW, MOST_TRIES


def test_a_slow_receiver_holds_up_no_other(
    process: Process, receiver: Receiver, hook: Hook, submit: Callable[..., UUID], pool: Pool
) -> None:
    hook(f"{receiver.url}/slow")
    released, fast = threading.Event(), threading.Semaphore(0)

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("/slow"):
            released.wait(60)
        else:
            fast.release()
        status(204)(request)

    receiver.answers = answer
    jobs = [submit("entities", [entity(number)]) for number in range(20)]
    with transaction(pool) as conn:
        for job_id in jobs:
            control.cancel(conn, job_id)
        recording.record(conn, jobs)
    assert process.webhooks.run_once(process.conn)["begun"] == sending.MOST_OF_LANE
    assert process.webhooks.run_once(process.conn)["begun"] == 0
    hook(f"{receiver.url}/fast")
    job_id = submit("entities", [entity(1)])
    with transaction(pool) as conn:
        control.cancel(conn, job_id)
        recording.record(conn, [job_id])
    assert process.webhooks.run_once(process.conn)["begun"] == 1
    assert fast.acquire(timeout=60)
    released.set()
    process.run()
    assert len(receiver.messages) == 22


def test_a_tenant_with_very_many_slow_callbacks_leaves_room_for_others(
    pool: Pool, owner: Tenant, settings: Settings
) -> None:
    keys = MasterKeys.parse(settings.master_keys)
    with transaction(pool) as conn:
        stranger, _ = make_tenant(conn)
        jobs = []
        for number in range(100):
            made, _ = engine.callback(keys, owner.id, f"http://127.0.0.{number}:9/", allow_private=True)
            jobs.append(accept(conn, owner, "entities", [entity()], options=JobOptions(callback=made)))
        for job_id in jobs:
            control.cancel(conn, job_id)
        recording.record(conn, jobs)
    create(pool, stranger, settings, "http://127.0.0.1:9/")
    with transaction(pool) as conn:
        job_id = accept(conn, stranger, "entities", [entity()])
        control.cancel(conn, job_id)
        recording.record(conn, [job_id])
        claims = sending.claim(conn, under_way=[], room=Room(512))
        of_owner = [claim for claim in claims if claim.tenant_id == owner.id]
        assert len(of_owner) == sending.MOST_OF_TENANT
        assert len(claims) == sending.MOST_OF_TENANT + 1
        assert sending.claim(conn, under_way=claims, room=Room(512)) == []
        # Hosts share few lanes, so that very many of them make a claim no slower.
        [(lanes,)] = conn.execute("SELECT count(DISTINCT lane) FROM webhook_deliveries").fetchall()
        assert int(str(lanes)) <= 17


class Crowd:
    """Tenants with a webhook each, at a receiver that answers at once, or not before a test lets it.

    Attributes:
        hanging: paths of the requests that have arrived and wait for their answer, each once.
        others: paths of the requests that were answered at once, likewise.
    """

    def __init__(self, pool: Pool, settings: Settings, receiver: Receiver) -> None:
        self._pool, self._settings, self._receiver = pool, settings, receiver
        self.hangs, self.released = "/slow", threading.Event()
        self.hanging: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.others: queue.SimpleQueue[str] = queue.SimpleQueue()
        receiver.answers = self._answer

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.hangs in request.path and not self.released.is_set():
            self.hanging.put(request.path)
            self.released.wait()
        else:
            self.others.put(request.path)
        status(204)(request)

    def join(self, path: str) -> Webhook:
        with transaction(self._pool) as conn:
            tenant, _ = make_tenant(conn)
        made: Webhook = create(self._pool, tenant, self._settings, f"{self._receiver.url}/{path}")[0]
        return made

    def leave(self, webhook: Webhook, messages: int = 1) -> None:
        with transaction(self._pool) as conn:
            for _ in range(messages):
                deliveries.add_test(conn, webhook.id)


@pytest.fixture
def crowd(pool: Pool, settings: Settings, receiver: Receiver) -> Iterator[Crowd]:
    made = Crowd(pool, settings, receiver)
    yield made
    made.released.set()


def begin_all(process: Process) -> int:
    """Begin whatever has a place. Return the number of tries."""
    return sum(iter(lambda: process.webhooks.run_once(process.conn)["begun"], 0))


def test_sixty_tenants_whose_receivers_hang_hold_up_no_other(process: Process, crowd: Crowd) -> None:
    for number in range(60):
        crowd.leave(crowd.join(f"slow/{number}"), messages=2)
        assert begin_all(process) == 2
    assert len({crowd.hanging.get(timeout=60) for _ in range(120)}) == 60
    crowd.leave(crowd.join("swift"))
    assert begin_all(process) == 1
    assert crowd.others.get(timeout=60) == "/hook/swift"
    assert process.webhooks.under_way >= 120, "all of them hang still"
    crowd.released.set()
    process.run()


def test_receivers_that_were_slow_leave_places_however_many_they_are(
    process: Process, settings: Settings, crowd: Crowd
) -> None:
    with closing(Process(settings, process.conn, slow_seconds=0.0)) as hasty:
        webhooks = [crowd.join(f"slow/{number}") for number in range(MOST_SLOW + 2)]
        crowd.hangs = "/none"
        for webhook in webhooks:
            crowd.leave(webhook)
        assert hasty.run() == len(webhooks)
        crowd.hangs = "/slow"
        for webhook in webhooks:
            crowd.leave(webhook)
        assert begin_all(hasty) == MOST_SLOW
        crowd.leave(crowd.join("swift"))
        assert begin_all(hasty) == 1
        for _ in webhooks:
            crowd.others.get()
        assert crowd.others.get(timeout=60) == "/hook/swift"
        assert hasty.webhooks.under_way >= MOST_SLOW
        crowd.released.set()
        hasty.run()


def test_slow_lanes_leave_the_places_of_their_own_tenant_to_its_others(
    pool: Pool, owner: Tenant, settings: Settings
) -> None:
    slow = [create(pool, owner, settings, f"http://127.0.0.1:9/{number}")[0].id for number in range(3)]
    swift, _ = create(pool, owner, settings, "http://127.0.0.1:9/")
    with transaction(pool) as conn:
        for webhook_id in [*slow, swift.id]:
            for _ in range(sending.MOST_OF_LANE):
                deliveries.add_test(conn, webhook_id)
        under_way = sending.claim(conn, under_way=[], room=Room(0, 512), slow=slow)
        assert len(under_way) == sending.MOST_OF_TENANT
        assert sending.claim(conn, under_way=under_way, room=Room(0, 512), slow=slow) == []
        claims = sending.claim(conn, under_way=under_way, room=Room(512, 512), slow=slow)
        assert [claim.lane for claim in claims] == [swift.id] * sending.MOST_OF_LANE


def test_a_lane_is_slow_no_more_once_a_try_is_over_sooner(process: Process, crowd: Crowd, pool: Pool) -> None:
    webhook = crowd.join("swift")
    for milliseconds, is_slow in ((5_000, True), (None, True), (4_999, False)):
        crowd.leave(webhook)
        with transaction(pool) as conn:
            [claim] = sending.claim(conn, under_way=[], room=Room(1, 1))
        process.webhooks.learn(sending.Mark(claim, None, milliseconds, "x", None, failed=True))
        assert (webhook.id in process.webhooks.slow) == is_slow


def test_many_tenants_that_come_one_after_another_all_find_a_place(pool: Pool, settings: Settings) -> None:
    under_way: list[Claim] = []
    for number in range(100):
        with transaction(pool) as conn:
            tenant, _ = make_tenant(conn)
        webhook, _ = create(pool, tenant, settings, "http://127.0.0.1:9/")
        with transaction(pool) as conn:
            for _ in range(sending.MOST_OF_LANE):
                deliveries.add_test(conn, webhook.id)
            room = Room(MOST_TRIES - MOST_SLOW - len(under_way))
            under_way += sending.claim(conn, under_way=under_way, room=room)
        assert under_way[-1].tenant_id == tenant.id, f"tenant {number} finds a place"


def test_a_look_up_that_never_ends_gives_its_place_back_with_its_try(
    process: Process, settings: Settings, receiver: Receiver, hook: Hook, pool: Pool
) -> None:
    hung, answers = hook("http://hung.example.test/")[0], threading.Event()
    well, _ = hook(receiver.url)

    def resolver(host: str, _port: int) -> Sequence[str]:
        if host == "hung.example.test":
            answers.wait()
        return [host]

    try:
        with closing(Process(settings, process.conn, resolver=resolver, timeout_seconds=0.2)) as brief:
            with transaction(pool) as conn:
                deliveries.add_test(conn, hung.id)
                deliveries.add_test(conn, well.id)
            assert brief.run() == 2
            assert brief.webhooks.under_way == 0
            [delivery] = brief.deliveries(hung)
            assert (delivery.status, delivery.tries[0].error) == ("failed", "the name was not found within 0.2 s")
            assert [delivery.status for delivery in brief.deliveries(well)] == ["delivered"]
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("try")]
        assert not answers.is_set()
    finally:
        answers.set()
