"""A disk that fills up under `sluice up`: new data are refused in time, and with room again all goes on."""

import json
import subprocess
import threading
import time
from contextlib import suppress

import psycopg
import pytest

from cli.stack.datadir import DataDir
from ingest.machine.disk import room
from tests.e2e.running import sluice

EVENTS = [{"externalId": "p1", "eventType": "session", "data": {"n": n}} for n in range(1000)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 350 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=350m", "tmpfs", place], check=False).returncode != 0:
        pytest.skip("this user may mount nothing")
    yield place
    subprocess.run(["/bin/umount", "--lazy", place], check=True)


class Ballast:
    """A file that takes up the room of a disk."""

    def __init__(self, disk):
        self._disk, self._file = disk, disk / "ballast"

    def leave(self, megabytes):
        with self._file.open("ab", buffering=0) as file, suppress(OSError):
            while room(self._disk).free // 2**20 > megabytes:
                file.write(bytes(2**20))
            while not megabytes:
                file.write(bytes(4096))

    def throw_off(self):
        self._file.unlink()


def test_a_disk_that_is_full_refuses_new_data_loses_none_and_goes_on_with_room(up, small_disk):
    ballast = Ballast(small_disk)
    running = up(data_dir=small_disk / "data").ready()
    with running.client() as client:
        entity = {"entityType": "player", "externalId": "p1", "data": {"email": "ada@example.com"}}
        assert client.post("/entities", json=entity).status_code == 201
        job = client.post("/batch/events", json=EVENTS).json()["data"]["jobId"]

    ballast.leave(megabytes=60)  # below the low-water mark of 87, a quarter of this disk
    refusal = _sent(running)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "INSUFFICIENT_STORAGE")
    assert refusal.headers["Retry-After"] == "30"
    _await_end(running, job)
    checkup = json.loads(sluice("doctor", "--json", "--data-dir", running.data_dir).stdout)
    (disk,) = [check for check in checkup["checks"] if check["name"] == "disk"]
    assert disk["level"] == "fail"

    ballast.leave(megabytes=0)
    _write_log_until_postgres_dies(running.data_dir)
    cause = rf"no space left on device: \d+ MiB are free for {running.data_dir}"
    running.line(rf"sluice +\| postgres (ended with|was ended by) \S+ and is started again in [\d.]+ s: {cause}")

    ballast.throw_off()
    answer = _sent(running)
    while answer.status_code != 202:
        assert answer.status_code == 503, answer.text
        threading.Event().wait(0.2)
        answer = _sent(running)
    _await_end(running, answer.json()["data"]["jobId"])
    assert sluice("verify", "--data-dir", running.data_dir).returncode == 0
    assert running.end() == 0


def test_a_disk_that_is_full_from_the_start_is_named_in_the_last_line(up, small_disk):
    Ballast(small_disk).leave(megabytes=10)
    running = up(data_dir=small_disk / "data")
    assert running.process.wait(60) == 1
    running.close()
    assert running.output[-1].startswith("no space left on device: ")


def _sent(running):
    with running.client() as client:
        return client.post("/batch/events", json=EVENTS)


def _await_end(running, job):
    deadline = time.monotonic() + 60
    with running.client() as client:
        while client.get(f"/batch/jobs/{job}").json()["data"]["status"] != "completed":
            assert time.monotonic() < deadline
            threading.Event().wait(0.1)


def _write_log_until_postgres_dies(data_dir):
    with suppress(psycopg.OperationalError), psycopg.connect(DataDir(data_dir).database_url, autocommit=True) as conn:
        while True:
            conn.execute("SELECT pg_logical_emit_message(true, 'test', ''), pg_switch_wal()")
