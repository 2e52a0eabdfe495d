"""Embedded servers: they start wherever the data are, survive what is done to them, and end with their owner."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from cli.errors import DataDirInUse
from cli.stack.datadir import DataDir
from cli.stack.running import running_servers

HOLD = """
import sys
from pathlib import Path
from cli.stack.running import running_servers
with running_servers(Path(sys.argv[1])) as servers:
    print(servers.database_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def execute(servers, query):
    with psycopg.connect(servers.database_url) as conn:
        cursor = conn.execute(query)
        return cursor.fetchall() if cursor.description else None


def short_directories():
    return set(Path(tempfile.gettempdir()).glob("sluice-*"))


def pid_of_postgres(data_dir):
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def ended(pidfd, seconds):
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


def test_both_servers_answer_and_what_postgres_holds_is_there_the_next_time(data_dir):
    with running_servers(data_dir) as servers:
        execute(servers, "CREATE TABLE kept AS SELECT 1 AS one")
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()
    with running_servers(data_dir) as servers:
        assert execute(servers, "SELECT one FROM kept") == [(1,)]


def test_nothing_listens_on_the_network_and_only_the_owner_may_enter(data_dir):
    with running_servers(data_dir) as servers:
        assert execute(servers, "SHOW listen_addresses") == [("",)]
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.config_get("port") == {"port": "0"}
        assert DataDir(data_dir).sockets.stat().st_mode & 0o077 == 0
        assert (data_dir / "postgres").stat().st_mode & 0o077 == 0


def test_what_is_committed_is_on_the_disk(data_dir):
    with running_servers(data_dir) as servers:
        assert execute(servers, "SHOW fsync") == [("on",)]
        assert execute(servers, "SHOW synchronous_commit") == [("on",)]


def test_a_data_directory_too_deep_for_a_socket_gets_a_short_private_one_that_is_gone_afterwards(tmp_path):
    before = short_directories()
    with running_servers(tmp_path / ("d" * 120)) as servers:
        assert execute(servers, "SELECT 1") == [(1,)]
        (short,) = short_directories() - before
        assert short.stat().st_mode & 0o777 == 0o700
    assert short_directories() == before


def test_a_second_owner_is_refused_by_name(data_dir):
    with running_servers(data_dir), pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
        running_servers(data_dir).__enter__()


def test_another_process_with_the_pid_of_a_killed_postgres_is_not_taken_for_it(data_dir):
    with running_servers(data_dir):
        pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
    owner = (data_dir / "postgres").stat().st_uid  # Postgres takes another user's process for no server anyway
    stranger = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, user=owner if os.geteuid() == 0 else None, cwd="/")
    stale = "\n".join([str(stranger.pid), *pid_file.splitlines()[1:], ""])
    try:
        (data_dir / "postgres" / "postmaster.pid").write_text(stale)
        with running_servers(data_dir) as servers:
            assert execute(servers, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.communicate()


@pytest.mark.parametrize("pid_file", ["", "12"], ids=["empty", "cut short"])
def test_a_pid_file_that_a_crash_left_unfinished_is_no_obstacle(data_dir, pid_file):
    with running_servers(data_dir):
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text(pid_file)
    with running_servers(data_dir) as servers:
        assert execute(servers, "SELECT 1") == [(1,)]


def test_a_cluster_whose_making_was_cut_off_is_made_anew(data_dir):
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running_servers(data_dir) as servers:
        assert execute(servers, "SELECT 1") == [(1,)]
    assert not (data_dir / "postgres.new").exists()


def test_the_servers_of_a_killed_owner_end_and_the_next_one_finds_the_data(data_dir):
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    url = owner.stdout.readline().strip()
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postgres = os.pidfd_open(pid_of_postgres(data_dir))
    owner.kill()
    owner.communicate()
    assert ended(postgres, 10)
    with running_servers(data_dir) as servers:
        assert execute(servers, "SELECT one FROM kept") == [(1,)]


def test_a_server_that_still_runs_without_its_owner_is_ended_first(data_dir):
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    owner.stdout.readline()
    former = pid_of_postgres(data_dir)
    postgres = os.pidfd_open(former)
    signal.pidfd_send_signal(postgres, signal.SIGSTOP)  # it cannot follow the signal of its owner's death yet
    owner.kill()
    owner.communicate()
    signal.pidfd_send_signal(postgres, signal.SIGCONT)
    with running_servers(data_dir) as servers:
        assert pid_of_postgres(data_dir) != former
        assert execute(servers, "SELECT 1") == [(1,)]
    assert ended(postgres, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs its servers as another user")
def test_roots_servers_are_another_users_even_beneath_a_closed_directory(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with running_servers(closed / "data"):
        pid = pid_of_postgres(closed / "data")
        assert Path(f"/proc/{pid}").stat().st_uid != 0 or "Uid:\t0" not in Path(f"/proc/{pid}/status").read_text()
    assert closed.stat().st_mode & 0o777 == 0o700
