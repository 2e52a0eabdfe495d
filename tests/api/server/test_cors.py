"""A page of a named origin reads every answer of the real server: streams, files, and refusals of each kind."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ingest.db.connection.pool import Pool
from tests.api.conftest import BASE, ORIGIN, STREAMS
from tests.support.answers import hold_headers
from tests.support.factories import run_pending

Connect = Callable[[], socket.socket]


@contextmanager
def asked(
    connect: Connect, method: str, path: str, body: bytes = b"", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a page, before its body is read."""
    client = http.client.HTTPConnection("sluice.example")
    client.sock = connect()
    sent = {name.replace("_", "-"): value for name, value in {"Origin": ORIGIN, **headers}.items()}
    client.request(method, path, body or None, sent)
    answer = client.getresponse()
    hold_headers(answer.getheaders())
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Vary"] == "Origin"
    yield answer
    client.close()


def status(connect: Connect, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    with asked(connect, method, path, body, **headers) as answer:
        return answer.status


def test_a_page_sends_a_batch_and_reads_its_stream_and_its_bad_items(
    connect: Connect, key: str, pool: Pool, redis_url: str
) -> None:
    let_in = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    asks = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    assert status(connect, "OPTIONS", f"{BASE}/batch/entities", **asks) == 204
    with asked(connect, "POST", f"{BASE}/batch/entities", b"[{}]", **let_in) as answer:
        assert answer.status == 202
        job = f"{BASE}/batch/jobs/{json.load(answer)['data']['jobId']}"
    run_pending(pool, redis_url)
    with asked(connect, "GET", f"{job}/stream", **let_in) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert b"event: end" in answer.read()
    with asked(connect, "GET", f"{job}/errors.ndjson", **let_in) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        assert b"_sluice" in answer.read()


def test_a_page_reads_refusals_of_each_kind(connect: Connect, key: str) -> None:
    let_in = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    batch = f"{BASE}/batch/entities"
    assert status(connect, "POST", batch, b"[", **let_in) == 400
    assert status(connect, "GET", f"{BASE}/settings") == 401
    assert status(connect, "GET", "/none", **let_in) == 404
    assert status(connect, "GET", batch, **let_in) == 405
    assert status(connect, "POST", batch, b" " * 200_000, **let_in) == 413
    assert status(connect, "GET", f"/{'a' * 9_000}") == 414
    assert status(connect, "POST", batch, b"[]", **{**let_in, "Content_Type": "text/x-no-such"}) == 415
    assert status(connect, "GET", "/healthz", Expect="200-ok") == 417
    assert status(connect, "POST", "/healthz", Transfer_Encoding="gzip, chunked") == 501


def test_a_page_reads_that_the_server_is_busy(connect: Connect, key: str) -> None:
    let_in = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    with asked(connect, "POST", f"{BASE}/batch/entities", b"[{}]", **let_in) as answer:
        stream = f"{BASE}/batch/jobs/{json.load(answer)['data']['jobId']}/stream"
    with ExitStack() as stack:
        # A stream of the test before may have its place still.
        answers = [stack.enter_context(asked(connect, "GET", stream, **let_in)) for _ in range(STREAMS + 1)]
        busy = [answer for answer in answers if answer.status == 503]
        assert busy
        assert "Retry-After" in busy[0].headers["Access-Control-Expose-Headers"]
