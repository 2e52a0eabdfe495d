"""`sluice up`: everything on one command."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from socket import socket

import httpx2
import pytest

from cli.stack.datadir import DataDir
from cli.stack.run_as import RunAs
from cli.stack.running import running_servers
from ingest.db.connection.pool import connect
from ingest.ids import JOB, parse
from tests.e2e.running import SLUICE, all_gone, descendants, environment, free_port, run_pasted, sluice

PLAYERS = [{"entityType": "player", "externalId": f"p{n}", "data": {"email": f"p{n}@example.com"}} for n in range(1000)]


def test_the_printed_curl_does_a_batch_when_pasted(stack):
    job = run_pasted(stack.curl)["data"]
    assert (job["status"], job["succeeded"], job["failed"]) == ("completed", 2, 1)
    assert job["errors"][0]["message"] == 'Missing required field: "email"'


def test_a_worker_does_the_work_whatever_variables_of_other_programs_are_set(stack):
    done = run_pasted(stack.curl)["data"]
    with connect(DataDir(stack.data_dir).database_url, "sluice-cli") as conn:
        found = conn.execute("SELECT status, swept FROM jobs WHERE id = %s", (parse(JOB, done["jobId"]),)).fetchone()
    assert found == ("completed", False)


def test_flower_answers_where_it_says_to_those_who_have_its_login(stack):
    assert httpx2.get(f"{stack.flower}/workers").status_code == 401
    assert httpx2.get(f"{stack.flower}/workers", auth=tuple(stack.flower_login)).status_code == 200
    assert (stack.data_dir / "flower").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs its servers as another user")
def test_another_process_of_the_servers_own_user_does_not_come_into_the_database(stack):
    intruder = RunAs.for_paths(stack.data_dir / "postgres")
    argv = [
        sys.executable,
        "-c",
        "import psycopg, sys; psycopg.connect(sys.argv[1])",
        DataDir(stack.data_dir).database_url,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, preexec_fn=intruder.become)
    assert 'Peer authentication failed for user "sluice"' in done.stderr


def test_only_this_machine_can_reach_it(stack):
    listening = subprocess.run(["/bin/cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
    for port in (stack.port, stack.flower_port):
        assert f" 0100007F:{port:04X} 00000000:0000 0A" in listening
        assert f" 00000000:{port:04X} 00000000:0000 0A" not in listening


def test_the_lines_of_every_process_carry_its_name(stack):
    run_pasted(stack.curl)
    labels = {line.split("|")[0].strip() for line in stack.output if "|" in line[:12]}
    assert not any("overcommit" in line or "Inspect method" in line for line in stack.output)
    # flower says nothing while all is well
    assert {"postgres", "migrate", "worker", "sweep", "webhooks", "web"} <= labels


def test_the_key_is_kept_for_its_owner_only(stack):
    assert (stack.data_dir / "key").read_text().strip() == stack.key
    assert (stack.data_dir / "key").stat().st_mode & 0o777 == 0o600


def test_a_database_that_is_away_is_told_in_libpqs_words(tmp_path):
    urls = {"DATABASE_URL": "postgresql://u:geheim@127.0.0.1:1/sluice", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = sluice("up", "--data-dir", tmp_path / "data", "--port", str(free_port()), **urls)
    assert done.returncode == 1
    assert "port 1 failed: Connection refused" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


def test_the_command_for_another_address_of_the_console_can_be_pasted(stack):
    command = re.search(r"`(.+ console)` prints another", stack.console)[1]
    told = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(SLUICE_DATA_DIR=str(stack.data_dir)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/console/login?once=" in told.stdout


def test_a_second_one_on_the_same_data_says_so_and_exits_75(stack):
    second = sluice("up", "--data-dir", stack.data_dir)
    assert second.returncode == 75
    assert f"{stack.data_dir} is in use: Sluice already runs there, as process {stack.process.pid}" in second.stderr


@pytest.mark.parametrize("option", ["--port", "--flower-port"])
def test_a_taken_port_is_named_and_exits_69(tmp_path, option):
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = sluice("up", "--data-dir", tmp_path / "data", "--port", str(free_port()), option, port)
    assert done.returncode == 69
    assert f"port {port}" in done.stderr


def test_wrong_settings_are_all_named_at_once_and_exit_78_before_anything_is_touched(tmp_path):
    done = sluice(
        "up",
        "--data-dir",
        tmp_path / "data",
        REDIS_URL="http://nowhere",
        SLUICE_WEB_THREADS="many",
        SLUICE_RATE_READ="1",
    )
    assert done.returncode == 78
    assert all(name in done.stderr for name in ("REDIS_URL", "SLUICE_WEB_THREADS", "SLUICE_RATE_READ"))
    assert not (tmp_path / "data").exists()


@pytest.mark.timeout(300)  # two stacks, each of which takes a minute on a machine that is very busy
def test_a_kill_9_loses_nothing_and_a_signal_stops_everything_in_order(up):
    first = up().ready()
    master_keys = (first.data_dir / "master_keys").read_text()
    with first.client() as client:
        jobs = [client.post("/batch/entities", json=PLAYERS).json()["data"]["jobId"] for _ in range(3)]
    family = first.family()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert all_gone(family, 10)
    second = up().ready()
    assert (second.key, (second.data_dir / "master_keys").read_text()) == (first.key, master_keys)
    with second.client() as client:
        for job in jobs:
            assert _ended(client, job)["total"] == len(PLAYERS)
        assert client.get("/entities/p999").json()["data"]["data"] == PLAYERS[999]["data"]
    family = second.family()
    assert len(family) > 10
    assert second.end(signal.SIGHUP) == 0  # tests/cli/stack/test_signals.py: the others are taken for the same
    assert all_gone(family, 0)
    assert not (second.data_dir / "run").exists()
    assert not (second.data_dir / "postgres" / "postmaster.pid").exists()


def test_what_dies_is_started_again_and_ends_nothing_however_often_it_dies(up):
    running = up().ready()
    web = next(pid for pid in _children(running.process.pid) if b"gunicorn" in _command(pid))
    os.kill(web, signal.SIGKILL)
    assert running.line(r"sluice +\| web was ended by SIGKILL and is started again in 0.5 s")
    running.line(r"web +\| .*Listening at.*")
    assert run_pasted(running.curl)["data"]["status"] == "completed"
    for pause in ("0.5", "1", "2", "4", "8"):
        _kill_child(running, b"valkey-server")
        running.line(rf"sluice +\| valkey was ended by SIGKILL and is started again in {pause} s")
    assert running.end() == 0


def test_servers_that_are_named_are_used_and_none_is_started_for_them(up, tmp_path):
    with running_servers(tmp_path / "servers") as servers:
        running = up(DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url).ready()
        assert run_pasted(running.curl)["data"]["status"] == "completed"
        assert not (running.data_dir / "postgres").exists()
        assert not any(b"valkey" in _command(pid) for pid in _children(running.process.pid))
        assert running.end() == 0


def test_each_server_is_named_by_itself(up, tmp_path):
    with running_servers(tmp_path / "servers") as servers:
        running = up(REDIS_URL=servers.redis_url).ready()
        assert run_pasted(running.curl)["data"]["status"] == "completed"
        assert (running.data_dir / "postgres").exists()
        assert not any(b"valkey" in _command(pid) for pid in _children(running.process.pid))
        assert running.end(signal.SIGINT) == 0


def test_it_ends_with_the_make_that_started_it(tmp_path):
    make = subprocess.Popen(
        ["make", "--silent", "-f", "-"],  # noqa: S607 - whichever make there is
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    ports = f"--port {free_port()} --flower-port {free_port()}"
    make.stdin.write(f"all:\n\t{SLUICE} up --end-with-parent --data-dir {tmp_path}/data {ports}\n")
    make.stdin.close()
    assert any(line == "ready\n" for line in make.stdout)
    family = [os.pidfd_open(pid) for pid in descendants(make.pid)]
    make.kill()
    make.wait()
    assert all_gone(family, 30)
    make.stdout.close()


def _ended(client, job):
    deadline = time.monotonic() + 60
    while True:
        seen = client.get(f"/batch/jobs/{job}").json()["data"]
        if seen["status"] == "completed":
            return seen
        assert time.monotonic() < deadline, seen
        threading.Event().wait(0.1)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kill_child(running, name):
    deadline = time.monotonic() + 60
    while not (found := [pid for pid in _children(running.process.pid) if name in _command(pid)]):
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
    os.kill(found[0], signal.SIGKILL)


def _command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()
