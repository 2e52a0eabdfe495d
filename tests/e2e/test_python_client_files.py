"""Files loaded by the Python client: one upload in parts, one job, whatever ends the loader on its way."""

import gzip
import json
import os
import signal
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import zstandard
from sluice_client import Accepted, Client, ItemsFailed, JobEnded, OtherLoad, UnreadableFile
from sluice_client.cutting import CSV
from sluice_client.errors import UnknownFormat
from sluice_client.files import parts_of as parts_of_file
from sluice_client.journal import Journal

ROOT = Path(__file__).parents[2]
PART_BYTES = 500  # of some ten rows


@pytest.fixture
def client(stack, client_key):
    with Client(stack.api, key=client_key) as opened:
        yield opened


@pytest.fixture
def label():
    return uuid4().hex


def csv(label, count, *, first=0):
    rows = [f"{label}-{number},p{number}@example.com\n" for number in range(first, count)]
    return ("externalId,email\n" + "".join(rows)).encode()


def puts_of(client):
    """Count the parts that a client sends from now on."""
    sent = []
    client._transport._http.event_hooks["request"].append(lambda request: sent.append(request.method))
    return lambda: sent.count("PUT")


def parts_of(path):
    """The number of parts that a file has."""
    return len(list(parts_of_file(path, CSV, PART_BYTES)))


@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_file_is_one_job_and_leaves_nothing_behind(client, tmp_path, label, suffix, compress):
    path = tmp_path / f"players.csv{suffix}"
    path.write_bytes(compress(csv(label, 50)))
    report = client.entities.load(path, label=label, entity_type="player")
    assert (report.total, report.created, len(report.jobs)) == (50, 50, 1)
    assert [job.id for job in client.jobs.list(label=label)] == report.jobs
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_errors_of_a_file_have_the_record_its_line_and_its_index(client, tmp_path, label):
    path = tmp_path / "players.ndjson"
    rows = [{"entityType": "player", "externalId": f"{label}-{number}", "data": {"email": "a"}} for number in range(40)]
    rows[33]["data"] = {}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.raises(ItemsFailed) as caught:
        client.entities.load(str(path), part_bytes=PART_BYTES)
    [error] = caught.value.report.errors
    assert (error.index, error.line, error.item, error.code) == (33, 34, rows[33], "VALIDATION_FAILED")


@pytest.mark.parametrize("hook", ["request", "response"])
def test_a_loader_killed_at_any_request_is_gone_on_with_and_makes_one_job(
    stack, client_key, client, tmp_path, label, hook
):
    killed = 0
    for place in range(100):
        path = tmp_path / f"{place}.csv"
        path.write_bytes(csv(f"{label}-{place}", 25))
        options = {"label": f"{label}-{place}", "entity_type": "player"}
        child = os.fork()
        if child == 0:
            _load_and_die(stack.api, client_key, path, options, {hook: place})
        status = os.waitpid(child, 0)[1]
        report = client.entities.load(path, part_bytes=PART_BYTES, **options)
        assert (report.total, report.created + report.unchanged) == (25, 25)
        assert len(list(client.jobs.list(label=options["label"]))) == (1 if os.WIFSIGNALED(status) else 2)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    assert killed >= 8


def _load_and_die(url, client_key, path, options, places):
    """Load a file in a process that kills itself at a request or a response of that number."""
    left = dict(places)

    def count(hook):
        def look(_message):
            left[hook] -= 1
            if left[hook] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return look

    hooks = {hook: [count(hook)] for hook in places}
    try:
        Client(url, key=client_key, event_hooks=hooks).entities.load(path, part_bytes=PART_BYTES, **options)
    finally:
        os._exit(0)


def test_a_load_that_is_begun_again_sends_only_what_the_server_lacks(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 100))
    lost = Client("http://away", key="k", timeout=1, transport=_Breaking(client, after=4))
    with pytest.raises(Exception, match="cut"):
        lost.entities.load(path, part_bytes=PART_BYTES, entity_type="player")
    sent = puts_of(client)
    assert client.entities.load(path, part_bytes=PART_BYTES, entity_type="player").created == 100
    assert sent() == parts_of(path) - 4


class _Breaking(httpx2.BaseTransport):
    """Passes requests on until so many parts were sent, and then breaks as a power cut does."""

    def __init__(self, client, *, after):
        self.http, self.left = client._transport._http, after

    def handle_request(self, request):
        if request.method == "PUT":
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("cut")
        url = self.http.base_url.join(request.url.raw_path.decode())
        headers = {name: value for name, value in request.headers.items() if name not in {"host", "authorization"}}
        answer = self.http.request(request.method, url, content=request.read(), headers=headers)
        return httpx2.Response(answer.status_code, content=answer.content)


def broken_off_once_accepted(client, path):
    """Load a file up to the point at which its upload is complete, and leave the journal."""
    events = client.entities.stream(path, part_bytes=PART_BYTES, entity_type="player")
    accepted = next(event for event in events if isinstance(event, Accepted))
    events.close()
    assert Journal(path).path.exists()
    return accepted.job_id


@pytest.mark.parametrize("change", ["other", "longer", "shorter"])
def test_a_file_that_changed_after_its_upload_was_complete_is_a_new_load(client, tmp_path, label, change):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 50))
    former = broken_off_once_accepted(client, path)
    rows = {"other": csv(f"{label}-x", 50), "longer": csv(label, 80), "shorter": csv(label, 20)}[change]
    path.write_bytes(rows)
    report = client.entities.load(path, part_bytes=PART_BYTES, entity_type="player")
    assert report.total == rows.count(b"\n") - 1
    assert report.jobs != [former]
    assert client.entities.get(rows.splitlines()[-1].split(b",")[0].decode())


def test_a_file_whose_upload_was_complete_finds_its_job_and_sends_nothing(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 50))
    former, sent = broken_off_once_accepted(client, path), puts_of(client)
    assert client.entities.load(path, part_bytes=PART_BYTES, entity_type="player").jobs == [former]
    assert sent() == 0


def test_a_caller_who_reads_no_further_than_the_end_leaves_no_journal(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 5))
    events = client.entities.stream(path, entity_type="player")
    assert any(isinstance(event, JobEnded) for event in events)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_quote_in_the_middle_of_a_field_takes_no_rows_into_it(client, tmp_path, label):
    path = tmp_path / "players.csv"
    rows = [f'{label}-{number},a@example.com,{number}" disk\n' for number in range(100)]
    path.write_text("externalId,email,size\n" + "".join(rows))
    assert parts_of(path) > 5
    assert client.entities.load(path, part_bytes=PART_BYTES, entity_type="player").created == 100
    assert client.entities.get(f"{label}-7").data["size"] == '7" disk'


def test_a_compressed_file_that_was_cut_off_loads_nothing_and_goes_on_once_whole(client, tmp_path, label):
    path = tmp_path / "players.csv.zst"
    whole = zstandard.compress(csv(label, 50))
    path.write_bytes(whole[:-5])
    with pytest.raises(UnreadableFile, match="cut off"):
        client.entities.load(path, entity_type="player")
    path.write_bytes(whole)
    assert client.entities.load(path, entity_type="player").created == 50


def test_a_file_that_changed_in_the_middle_sends_only_the_change(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 100))
    lost = Client("http://away", key="k", timeout=1, transport=_Breaking(client, after=1000))
    last = f"/parts/{parts_of(path)}"
    lost._transport._http.event_hooks["response"].append(lambda response: _break_after(last, response))
    with pytest.raises(Exception, match="cut"):
        lost.entities.load(path, part_bytes=PART_BYTES, entity_type="player")
    path.write_bytes(path.read_bytes().replace(b"p50@", b"q50@"))
    sent = puts_of(client)
    assert client.entities.load(path, part_bytes=PART_BYTES, entity_type="player").created == 100
    assert sent() == 1
    assert client.entities.get(f"{label}-50").data["email"] == "q50@example.com"


def _break_after(last, response):
    if response.request.url.path.endswith(last):
        raise RuntimeError("cut")


def test_a_file_that_became_shorter_begins_anew(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 100))
    lost = Client("http://away", key="k", timeout=1, transport=_Breaking(client, after=8))
    with pytest.raises(Exception, match="cut"):
        lost.entities.load(path, part_bytes=PART_BYTES, entity_type="player")
    path.write_bytes(csv(label, 10))
    assert client.entities.load(path, part_bytes=PART_BYTES, entity_type="player").total == 10


def test_an_upload_that_the_server_has_deleted_is_begun_anew(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 5))
    plan = {
        "kind": "entities",
        "contentType": "text/csv",
        "partBytes": 8 * 1024**2,
        "options": {"entity_type": "player"},
    }
    Journal(path).keep(plan, "upl_" + "0" * 32)
    assert client.entities.load(path, entity_type="player").created == 5


def test_another_load_of_a_file_is_not_mixed_with_one_that_broke_off(client, tmp_path, label):
    path = tmp_path / "players.csv"
    path.write_bytes(csv(label, 5))
    Journal(path).keep({"kind": "events"}, "upl_" + "0" * 32)
    with pytest.raises(OtherLoad, match="kind"):
        client.entities.load(path, entity_type="player")
    assert client.entities.load(path, resume=False, entity_type="player").created == 5


def test_an_empty_file_and_one_of_another_form_are_told(client, tmp_path):
    path = tmp_path / "players.csv"
    path.write_bytes(b"")
    with pytest.raises(UnknownFormat, match="is empty"):
        client.entities.load(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with pytest.raises(UnknownFormat, match="should end in"):
        client.entities.load(tmp_path / "players.xlsx")
