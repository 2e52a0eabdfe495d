"""Real worker and sweep processes, and signals to wait for instead of time."""

import os
import queue
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from ingest.settings import Settings
from tests.support.forked import Forked, begin_module, run_module

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 60.0

_NOTIFY = """
CREATE FUNCTION say_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('progress', NEW.id || ' ' || NEW.status || ' ' || NEW.blocks_open);
    RETURN NULL;
END $$;
CREATE TRIGGER say_progress AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION say_progress();
LISTEN progress
"""


class Watch:
    """Receives every committed change of a job."""

    def __init__(self, database_url: str) -> None:
        self.conn = psycopg.connect(database_url, autocommit=True)
        self.conn.execute(_NOTIFY)

    def until(self, fact: Callable[[], bool], why: str) -> None:
        """Return once the fact holds; looked at anew whenever a job has changed."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not fact():
            left = deadline - time.monotonic()
            assert left > 0, f"waited {TIMEOUT_SECONDS:.0f} s for: {why}"
            for _ in self.conn.notifies(timeout=min(left, 5.0), stop_after=1):
                break

    def until_ended(self, job_ids: Iterable[UUID]) -> None:
        wanted = list(job_ids)
        self.until(lambda: self.count("ended_at IS NOT NULL", wanted) == len(wanted), "the jobs to end")

    def until_begun(self, job_id: UUID, *, blocks_done: int = 1) -> None:
        def begun() -> bool:
            row = self.conn.execute(
                "SELECT count(*) FILTER (WHERE NOT open) FROM job_blocks WHERE job_id = %s", (job_id,)
            ).fetchone()
            return row is not None and row[0] >= blocks_done

        self.until(begun, f"{blocks_done} blocks of the job")

    def count(self, condition: str, job_ids: list[UUID]) -> int:
        query = f"SELECT count(*) FROM jobs WHERE id = ANY(%s) AND {condition}"
        return self.conn.execute(query, (job_ids,)).fetchall()[0][0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(name: str) -> list[str]:
    """Return the module that a line of the Procfile runs, and its arguments."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return shlex.split(line.removeprefix(f"{name}:").removeprefix(" python -m"))


class Process:
    """A process of the product in a group of its own, its lines at hand.

    Args:
        name: that of its line in the Procfile.
        env: its environment.
        run: runs its module.
    """

    def __init__(self, name: str, env: dict[str, str], run: Callable[..., None] = run_module) -> None:
        self.name = name
        self.lines: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        reader, writer = os.pipe()
        self.forked = Forked(run, *_command(name), env=env, output=writer)
        os.close(writer)
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()

    def until_line(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"{self.name} never said {text!r}:\n" + "\n".join(self.lines[-50:]))
            if line is None:
                pytest.fail(f"{self.name} ended without saying {text!r}:\n" + "\n".join(self.lines[-50:]))
            if text in line:
                return

    def kill(self) -> None:
        """kill -9 of the whole group: what pulling the plug does to it."""
        self.forked.kill()  # it may have no group of its own yet
        with suppress(ProcessLookupError):
            os.killpg(self.forked.pid, signal.SIGKILL)
        self.forked.wait()

    def kill_alone(self) -> None:
        """kill -9 of the process itself, as the kernel does it when memory is short: its children see to themselves."""
        self.forked.kill()
        self.forked.wait()

    def terminate(self) -> int:
        self.forked.terminate()
        code = self.forked.wait(TIMEOUT_SECONDS)
        assert code is not None, f"{self.name} goes on"
        return code

    def _read(self, reader: int) -> None:
        with open(reader, encoding="utf-8") as output:  # a descriptor
            for line in output:
                self.lines.append(line.rstrip())
                self._lines.put(line)
        self._lines.put(None)


class Start:
    """Starts processes of the product; all of them are gone when the test is over.

    Args:
        settings: name their servers.
        anew: each in an interpreter of its own, which costs half a second more.
    """

    def __init__(self, settings: Settings, *, anew: bool = False) -> None:
        self.processes: list[Process] = []
        self._settings, self._run = settings, begin_module if anew else run_module

    def worker(
        self, *, children: int = 2, until_ready: bool = True, run: Callable[..., None] | None = None, **env: str
    ) -> Process:
        worker = self._start("worker", run, SLUICE_WORKER_PROCESSES=str(children), **env)
        if until_ready:
            worker.until_line("ready.")
        return worker

    def sweep(self, **env: str) -> Process:
        sweep = self._start("sweep", **env)
        sweep.until_line("sweep_started")
        return sweep

    def webhooks(self, settings: Settings, **env: str) -> Process:
        """Start the process that sends messages, with the master keys of these settings."""
        keys = {"SLUICE_MASTER_KEYS": settings.master_keys, "SLUICE_WEBHOOK_ALLOW_PRIVATE": "True"}
        webhooks = self._start("webhooks", **keys, **env)
        webhooks.until_line("webhooks_started")
        return webhooks

    def web(self, *, port: int | None = None, **env: str) -> str:
        """Start the API, on a free port if none is named, and return its address."""
        port = port or free_port()
        web = self._start("web", SLUICE_BIND=f"127.0.0.1:{port}", SLUICE_WEB_WORKERS="1", **env)
        web.until_line("Booting worker")
        return f"http://127.0.0.1:{port}"

    def _start(self, name: str, run: Callable[..., None] | None = None, **env: str) -> Process:
        own = {
            "DATABASE_URL": self._settings.database_url,
            "REDIS_URL": self._settings.redis_url,
            "SLUICE_MASTER_KEYS": self._settings.master_keys,
        }
        process = Process(name, {**os.environ, **own, "PYTHONUNBUFFERED": "1", **env}, run or self._run)
        self.processes.append(process)
        return process
