"""Processes that are forks of one which has imported all that a worker has, as the children of a worker are."""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ingest import faultpoints

# Importing them takes a process 0.7 s of processor time. Modules that read the environment are imported after the fork.
_IMPORTED = [__name__, "ingest.engine.composition", "ingest.notify.broker", "ingest.notify.listener", "worker.watchdog"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_IMPORTED)


class Forked:
    """A process of its own that runs one function.

    Args:
        run: the function, of a module that costs little to import.
        arguments: its arguments.
        env: its environment, besides that of the tests.
        output: the file that takes what it prints.
    """

    def __init__(self, run: Callable[..., None], *arguments: str, env: dict[str, str], output: Path) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(run, arguments, env, output))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float | None = None) -> int | None:
        """Return its exit code, negative where a signal ended it; None if it still runs after so long."""
        self._process.join(seconds)
        return self._process.exitcode

    def is_stopped(self) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):
            return "State:\tT" in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return False


def _run(run: Callable[..., None], arguments: tuple[str, ...], env: dict[str, str], output: Path) -> None:
    os.environ.update(env)
    importlib.reload(faultpoints)
    with output.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    run(*arguments)


def deliver_message(job_id: str) -> None:
    """Do what a worker's child does that gets a message."""
    importlib.import_module("worker.tasks").run_job(job_id)
