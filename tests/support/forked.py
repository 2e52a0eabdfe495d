"""Processes that are forks of one which has imported all that Sluice needs, as the children of a worker are."""

import atexit
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from ingest import faultpoints

# Importing them takes a process 0.6 to 1 s of processor time. Modules that read the environment are left to the forks.
_IMPORTED = [
    __name__,
    *("app", "app.server.connections", "gunicorn.app.wsgiapp"),
    *("celery.apps.worker", "celery.concurrency.prefork", "kombu.transport.redis", "worker.watchdog"),
    *("ingest.engine.composition", "ingest.notify.broker", "ingest.notify.listener"),
    *("worker.sweep", "worker.webhooks"),
]

_ROOT = Path(__file__).parents[2]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_IMPORTED)


class Forked:
    """A process that runs one function, in a session of its own.

    Args:
        run: the function, of a module that costs little to import.
        arguments: its arguments.
        env: its environment.
        output: the descriptor that takes what it prints.
    """

    def __init__(self, run: Callable[..., None], *arguments: str, env: Mapping[str, str], output: int) -> None:
        with Connection(os.dup(output), readable=False) as printed:
            self._process = _CONTEXT.Process(target=_run, args=(run, arguments, dict(env), printed))
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def poll(self) -> int | None:
        """Return its exit code, negative where a signal ended it; None if it still runs."""
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        """Return as `poll` does, after so many seconds at most."""
        self._process.join(seconds)
        return self._process.exitcode

    def is_stopped(self) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):
            return "State:\tT" in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return False


def _run(run: Callable[..., None], arguments: tuple[str, ...], env: dict[str, str], printed: Connection) -> None:
    os.setsid()
    os.chdir(_ROOT)
    os.environ.clear()
    os.environ.update(env)
    for number, stream in ((1, "stdout"), (2, "stderr")):
        os.dup2(printed.fileno(), number)
        setattr(sys, stream, open(number, "w", buffering=1, encoding="utf-8", closefd=False))  # noqa: SIM115 # a descriptor
    printed.close()
    importlib.reload(faultpoints)
    run(*arguments)


def run_module(module: str, *arguments: str) -> None:
    """Do what `python -m module arguments` does."""
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it may have been imported before the fork, and runs under another name now
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # as Python does it: a fork ends without, and Celery begins anew there


def run_worker_whose_children_run_one_task(module: str, *arguments: str) -> None:
    """Do as `run_module` does of a worker, whose children begin afresh after each task."""
    importlib.import_module("worker.celery").app.conf.worker_max_tasks_per_child = 1
    run_module(module, *arguments)


def begin_module(module: str, *arguments: str) -> None:
    """Do as `run_module` does in an interpreter that is begun anew, as a shell does it."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 # nothing to quote


def deliver_message(job_id: str) -> None:
    """Do what a worker's child does that gets a message."""
    importlib.import_module("worker.tasks").run_job(job_id)
