"""Parts arrive while processes and servers die; what was answered is done once, and nothing is left behind."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG
from tests.chaos.history import Witness
from tests.chaos.invariants import check_invariants
from tests.chaos.uploading import Uploader

_STOPS = 10 if LONG else 3

_LEFT = """
SELECT (SELECT count(*) FROM uploads WHERE status <> 'completed') + (SELECT count(*) FROM upload_parts WHERE NOT whole)
     + (SELECT count(*) FROM job_blocks WHERE no < 0) + (SELECT count(*) FROM jobs WHERE status = 'receiving')
"""


def sent(deployment: Deployment, kinds: tuple[str, ...], *, parts: int = 3) -> list[Uploader]:
    """Send the first batch of a client, and one of each of these kinds, in parts."""
    client = deployment.client()
    made = []
    for kind in ("entities", *kinds):
        batch = client.batch(kind, items=parts * 20)
        made.append(Uploader(deployment, client, batch, parts=parts))
        made[-1].begin()
        for part in range(len(made[-1].parts), 0, -1):
            made[-1].put(part)
        made[-1].complete()
    return made


@pytest.mark.parametrize(
    "points",
    [("part.begun", "part.appended", "part.arrived", "part.committed"), ("upload.numbered", "upload.completed")],
    ids=["part", "end"],
)
def test_kill_9_at_each_step_of_an_upload_loses_and_doubles_nothing(
    deployment: Deployment, points: tuple[str, ...]
) -> None:
    deployment.worker()
    deployment.sweep()
    for point in points:
        # The process that comes in the place of a killed one has the fault, too, and passes the point once.
        web = deployment.web(SLUICE_FAULT=f"{point}:2")
        uploaders = sent(deployment, ("events", "states", "events"))
        assert sum(uploader.sent_again for uploader in uploaders) > 0, f"{point} was never passed twice"
        web.kill()
    check_invariants(deployment)
    assert deployment.witness().one(_LEFT) == 0


def test_the_sweeper_removes_a_part_whose_process_was_killed(deployment: Deployment) -> None:
    web = deployment.web(SLUICE_FAULT="part.appended:2")
    client = deployment.client()
    uploader = Uploader(deployment, client, client.batch(), parts=2)
    uploader.begin()
    uploader.put(1)
    uploader.put(2)  # the process dies, and the next one takes the part
    web.until_line("Booting worker")
    assert uploader.sent_again > 0
    witness = deployment.witness()
    assert blocks_and_attempts(witness) == (3, 3)
    witness.conn.execute("UPDATE upload_parts SET touched_at = touched_at - interval '1 hour' WHERE NOT whole")
    deployment.sweep()
    witness.until(lambda: blocks_and_attempts(witness) == (2, 2), "the killed attempt to be removed")
    deployment.worker()
    uploader.complete()
    check_invariants(deployment)
    assert witness.one(_LEFT) == 0


def blocks_and_attempts(witness: Witness) -> tuple[int, int]:
    [(blocks, attempts)] = witness.rows("SELECT (SELECT count(*) FROM job_blocks), (SELECT count(*) FROM upload_parts)")
    return blocks, attempts


class TestPostgres:
    """Postgres of the test's own."""

    @pytest.fixture
    def database_url(self, cluster: Cluster) -> Iterator[str]:
        with cluster.database() as url:
            yield url

    def test_postgres_crashing_while_parts_arrive_loses_and_doubles_nothing(
        self, deployment: Deployment, cluster: Cluster
    ) -> None:
        deployment.worker()
        deployment.sweep()
        deployment.web()
        client = deployment.client()
        for kind in ("entities", "events"):
            uploader = Uploader(deployment, client, client.batch(kind, items=600), parts=30)
            uploader.begin()
            crashed = threading.Event()
            with ThreadPoolExecutor(4) as pool:
                sending = [
                    pool.submit(put_for_long, uploader, part, crashed) for part in range(1, len(uploader.parts) + 1)
                ]
                for _ in range(_STOPS):
                    cluster.stop()
                    cluster.start()
                crashed.set()
                for done in sending:
                    done.result()
            cluster.stop()
            cluster.start()
            uploader.complete()
        check_invariants(deployment)
        assert deployment.witness().one(_LEFT) == 0


def put_for_long(uploader: Uploader, part: int, over: threading.Event) -> None:
    """Send a part, and again until the crashes are over."""
    uploader.put(part)
    while not over.is_set():
        uploader.put(part)
