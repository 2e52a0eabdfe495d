"""Child processes that cannot outlive this one, however it ends.

Two nets, since each has a hole. The kernel's parent-death signal reaches the children themselves, but not theirs; the
guard kills a whole process group, but could itself be killed first.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cli.errors import StackError
from cli.stack.run_as import RunAs
from ingest.machine.parent import die_with_parent


@dataclass(frozen=True, slots=True)
class Program:
    """A program: how to run and how to end it.

    Attributes:
        name: its label.
        argv: absolute path or name in PATH, and arguments.
        cwd: where it runs.
        env: its whole environment; None: this process's.
        run_as: the user whom it runs as; None: this process's.
        stop: the signal that asks it to end in order.
        grace_seconds: how long it may take for that before SIGKILL.
        death: the signal that it gets when this process dies.
        noise: a line that it is in says nothing worth printing; empty: every line does.
        guarded: whether the guard may kill its group at once. Not Postgres: its own children are ended by itself only.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path = Path("/")
    env: Mapping[str, str] | None = None
    run_as: RunAs | None = None
    stop: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    death: signal.Signals = signal.SIGKILL
    noise: str = ""
    guarded: bool = field(default=True)


class Guard:
    """A process group whose every member is killed when this process is gone: it waits for the end of a pipe."""

    _WAIT_AND_KILL = "trap '' HUP INT TERM; read -r _; kill -KILL 0"

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a constant
            ["/bin/sh", "-c", self._WAIT_AND_KILL], stdin=subprocess.PIPE, process_group=0
        )

    @property
    def group(self) -> int:
        """The process group that the guarded join."""
        return self._process.pid

    def close(self) -> None:
        """Kill whatever is left of the group, the guard included."""
        self._process.communicate()


def spawn(
    program: Program, guard: Guard, output: int | IO[bytes], *, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a program, away from the terminal's Ctrl-C.

    Call it from a thread that lives as long as the process: the parent-death signal is bound to the thread.

    Args:
        program: what to start.
        guard: the guard of this process.
        output: where both its outputs go: a file, or subprocess.PIPE.
        stdin: where it reads from: subprocess.DEVNULL or subprocess.PIPE.

    Raises:
        StackError: there is no such program, or it may not be run.
    """
    try:
        return subprocess.Popen(  # noqa: S603 - our own binaries and the Procfile's lines
            program.argv,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=program.cwd,
            env=program.env,
            process_group=guard.group if program.guarded else 0,
            preexec_fn=_bound_to_this_process(program),  # noqa: PLW1509 - takes no lock, and nothing else can do it
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StackError(f"cannot start {program.name}: {error}") from error


def _bound_to_this_process(program: Program) -> Callable[[], None]:
    parent = os.getpid()

    def bind() -> None:
        if program.run_as is not None:
            program.run_as.become()  # first: a change of user clears the parent-death signal
        die_with_parent(program.death, parent)

    return bind
