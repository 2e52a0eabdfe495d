"""The data directory of a local stack: one owner at a time, and where its parts are.

.sluice/
  lock        held by the process that runs the stack
  postgres/   the database; its own user's where the stack is run by root
  pg_hba.conf pg_ident.conf   who may come into the database
  flower      the login of flower, as USER:PASSWORD
  run/        Unix sockets; a link to a short plain path elsewhere where this one is too deep or has odd characters
  key         a key of the tenant `local`, for the commands of this user
  master_keys what encrypts secrets in the database, where SLUICE_MASTER_KEYS names nothing else
  master_keys_of   the database that they are for, where it is not the embedded one
  stack.log   the lines of all processes, where they are not printed
"""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from cli.errors import DataDirInUse, StackError
from cli.stack.run_as import RunAs
from ingest import master_keys
from ingest.machine.disk import room

# Postgres ends when it cannot make the next 16 MiB of its log, and then gives back what it had of them.
_HARDLY_ANY_BYTES = 32 * 1024**2
_SOCKET_PATH_BYTES = 107  # sockaddr_un holds 108 with the final NUL
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9._/+-]+")
_POSTGRES_SOCKET = ".s.PGSQL.5432"
_VALKEY_SOCKET = "valkey.sock"


class DataDir:
    """The data directory at `path`, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.postgres = self.path / "postgres"
        self.log = self.path / "stack.log"
        self._run = self.path / "run"
        self.hba = self.path / "pg_hba.conf"
        self.ident = self.path / "pg_ident.conf"
        self._key = self.path / "key"
        self._master_keys = self.path / "master_keys"
        self._master_keys_of = self.path / "master_keys_of"
        self._flower = self.path / "flower"

    @property
    def sockets(self) -> Path:
        """The directory that holds the sockets of the running servers."""
        return Path(os.path.realpath(self._run))

    @property
    def valkey_socket(self) -> Path:
        """Valkey's Unix socket."""
        return self.sockets / _VALKEY_SOCKET

    @property
    def database_url(self) -> str:
        """The URL of the embedded Postgres."""
        return f"postgresql:///sluice?host={quote(str(self.sockets), safe='')}&user=sluice"

    @property
    def redis_url(self) -> str:
        """URL of the embedded Valkey."""
        return f"unix://{quote(str(self.valkey_socket))}"

    def shortage(self) -> str | None:
        """Say so if hardly anything can be written here any more: where that is, it is what ends the servers."""
        with suppress(OSError):
            if (free := room(self.path).free) < _HARDLY_ANY_BYTES:
                return f"no space left on device: {free // 2**20} MiB are free for {self.path}"
        return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory and own it. The kernel lets go of a dead owner's lock.

        Raises:
            DataDirInUse: another process owns it.
            StackError: it cannot be made or written.
        """
        try:
            # As root, the servers' own user walks through to its part; everything in here has its own mode.
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StackError(f"the data directory {self.path} cannot be used: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(lock, 32, 0).decode(errors="replace").strip()
                raise DataDirInUse(f"{self.path} is in use: Sluice already runs there, as process {owner}") from None
            os.truncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def socket_dir(self, run_as: RunAs | None) -> Iterator[None]:
        """Make the directory for sockets, which only the servers' user may enter; it is gone afterwards.

        Raises:
            StackError: every place for it is too deep for a socket's path.
        """
        self._remove_sockets()
        deepest = self._run / _POSTGRES_SOCKET
        if _holds_sockets(self._run):
            self._run.mkdir(mode=0o700)
        else:
            short = tempfile.mkdtemp(prefix="sluice-")
            self._run.symlink_to(short)
            if not _holds_sockets(self.sockets):
                self._remove_sockets()
                raise StackError(
                    f"{deepest} cannot be the path of a socket, nor can a path in TMPDIR: set TMPDIR to a short "
                    "path of letters, digits and the characters . _ - / +"
                )
        if run_as is not None:
            os.chown(self.sockets, run_as.uid, run_as.gid)
        try:
            yield
        finally:
            self._remove_sockets()

    def _remove_sockets(self) -> None:
        """Remove the directory, this run's or one that a killed one left; through a link, only if it is ours still."""
        if self._run.is_symlink():
            target = self.sockets
            self._run.unlink()
            if not target.is_dir() or target.stat().st_uid not in self._our_uids():
                return
            shutil.rmtree(target)
        elif self._run.exists():
            shutil.rmtree(self._run)

    def _our_uids(self) -> set[int]:
        return {os.geteuid(), self.postgres.stat().st_uid} if self.postgres.exists() else {os.geteuid()}

    def read_key(self) -> str | None:
        """Return the key that `write_key` kept."""
        return self._key.read_text(encoding="ascii").strip() if self._key.exists() else None

    def write_key(self, secret: str) -> None:
        """Keep a key in the clear, readable by this user only: it opens this machine's stack and nothing else."""
        _write_secret(self._key, secret)

    def read_master_keys(self, database_url: str) -> str | None:
        """Return the keys that a stack here has made for a database, as SLUICE_MASTER_KEYS takes them.

        Args:
            database_url: of the database. Another one is not the stack's: its processes have other keys, or none.
        """
        if not self._master_keys.exists():
            return None
        if database_url != self.database_url:
            known = self._master_keys_of.read_text(encoding="utf-8") if self._master_keys_of.exists() else None
            if known != _place_of(database_url):
                return None
        return self._master_keys.read_text(encoding="ascii").strip() or None

    def make_master_keys(self, database_url: str) -> None:
        """Make a key that encrypts secrets in a database, unless there is one: it must outlive every run."""
        if not (self._master_keys.exists() and self._master_keys.read_text(encoding="ascii").strip()):
            _write_secret(self._master_keys, master_keys.generate())
        if database_url != self.database_url:
            self._master_keys_of.write_text(_place_of(database_url), encoding="utf-8")

    def flower_login(self) -> str:
        """Return the login of flower, as USER:PASSWORD: the one of the last run, or a new one."""
        if not self._flower.exists():
            _write_secret(self._flower, f"sluice:{secrets.token_hex(16)}")
        return self._flower.read_text(encoding="ascii").strip()


def _holds_sockets(folder: Path) -> bool:
    """True if every client can name a socket there: libpq splits a host at commas, others decode what is no code."""
    path = os.fsencode(folder / _POSTGRES_SOCKET)
    return len(path) <= _SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(path) is not None


def _place_of(database_url: str) -> str:
    """Return server and name of a database, without who logs in to it."""
    parts = urlsplit(database_url)
    hosts = parse_qs(parts.query).get("host", [])
    return f"{parts.netloc.rpartition('@')[2]}{parts.path} {' '.join(hosts)}".rstrip()


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret + "\n")
