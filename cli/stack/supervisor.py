"""Keeps programs running: starts them, labels their lines, restarts what dies, and stops all in order.

One thread and one loop: a selector waits for lines (pipes) and for deaths (pidfds) alike.
"""

import io
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cli.errors import StackError
from cli.stack.child import Guard, Program, spawn
from cli.stack.lines import Lines

# A program that dies sooner than this after its start has not really run.
_STEADY_SECONDS = 10.0
# 0.5, 1, 2 and 4 s between five short lives: a fault that passes by itself has passed by then.
_FIRST_PAUSE_SECONDS = 0.5
_SHORT_LIVES = 5
# A full disk is emptied by somebody: work goes on so soon after that.
_LONGEST_PAUSE_SECONDS = 30.0
_KILL_SECONDS = 5.0  # for the kernel to end what got SIGKILL, which only a hanging disk delays


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    pidfd: int
    since: float
    short_lives: int  # that it and its forerunners had in a row
    keep: bool  # its death is unexpected


class Supervisor:
    """Runs programs until it is left, then stops them: the last one first.

    Args:
        log: the file that takes the programs' lines; None: they are printed, each with its program's label.
        cause: says what may have ended a program, if anything is known; asked when one has died.

    Attributes:
        gives_up: what keeps dying soon after its start ends all; else it is tried again and again, with growing pauses.
    """

    def __init__(self, log: Path | None, cause: Callable[[], str | None] = lambda: None) -> None:
        self.gives_up = True
        self._cause = cause
        self._lines = Lines(log)
        self.guard = Guard()
        self._selector = selectors.DefaultSelector()
        self._names: dict[str, None] = {}  # in the order of the first starts
        self._running: dict[str, _Running] = {}
        self._due: list[tuple[float, Program, int]] = []  # restarts: when, what, how many short lives before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program, *, keep: bool = True, short_lives: int = 0) -> None:
        """Start a program.

        Args:
            program: what to run; its name is its label, and is not running yet.
            keep: start it again when it ends.
            short_lives: how often it has died at once just before.

        Raises:
            StackError: it cannot be started at all.
        """
        self._names.setdefault(program.name)
        process = spawn(program, self.guard, self._lines.output)
        running = _Running(program, process, os.pidfd_open(process.pid), time.monotonic(), short_lives, keep)
        self._running[program.name] = running
        self._selector.register(running.pidfd, selectors.EVENT_READ, lambda: self._reap(running))
        if process.stdout is not None:
            pipe = process.stdout
            self._selector.register(pipe, selectors.EVENT_READ, lambda: self._relay(program, pipe))

    def run(self, program: Program, seconds: float) -> int:
        """Run a program to its end.

        Args:
            program: what to run.
            seconds: how long at most.

        Returns:
            Its exit code; negative: the signal that killed it.

        Raises:
            StackError: it did not end in that time.
        """
        self.start(program, keep=False)
        process = self._running[program.name].process
        self.poll_until(lambda: program.name not in self._running, f"{program.name} does not end", seconds)
        return process.returncode

    def poll(self, seconds: float) -> None:
        """Run one round: relay lines, notice deaths, restart programs that are due.

        Args:
            seconds: how long to wait at most for something to happen.

        Raises:
            StackError: a program keeps dying.
        """
        pause = min([seconds, *(when - time.monotonic() for when, _, _ in self._due)])
        self._turn(max(pause, 0))
        due = [restart for restart in self._due if restart[0] <= time.monotonic()]
        self._due = [restart for restart in self._due if restart not in due]
        for _, program, short_lives in due:
            self.start(program, short_lives=short_lives)

    def poll_until(self, reached: Callable[[], bool], complaint: str, seconds: float) -> None:
        """Poll until a condition holds.

        Args:
            reached: asked ten times a second or more.
            complaint: the error message if it never holds.
            seconds: how long at most.

        Raises:
            StackError: it did not come to hold in that time, or a program keeps dying.
        """
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise StackError(f"{complaint} ({seconds:.0f} s)")
            self.poll(0.1)

    def stop(self) -> None:
        """Stop every program, the last one first: its own signal, its time to follow it, then SIGKILL."""
        self._due.clear()
        for running in self._running.values():
            running.keep = False
        for name in reversed(self._names):
            if name in self._running:
                self._end(self._running[name])
        self.guard.close()  # kills what they left behind
        while self._selector.get_map() and self._turn(0):
            pass
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, io.IOBase):
                key.fileobj.close()
        self._selector.close()
        self._lines.close()

    def _end(self, running: _Running) -> None:
        program = running.program
        running.process.send_signal(program.stop)
        if not self._gone_within(program.grace_seconds, program.name):
            self._lines.say(f"{program.name} did not stop within {program.grace_seconds:.0f} s and is killed")
            running.process.kill()
            self._gone_within(_KILL_SECONDS, program.name)

    def _gone_within(self, seconds: float, name: str) -> bool:
        deadline = time.monotonic() + seconds
        while name in self._running and time.monotonic() < deadline:
            self._turn(max(deadline - time.monotonic(), 0))
        return name not in self._running

    def _turn(self, seconds: float) -> bool:
        """Handle events. Return True if there were any."""
        events = self._selector.select(seconds)
        for key, _ in events:
            key.data()
        return bool(events)

    def _reap(self, running: _Running) -> None:
        code, program = running.process.wait(), running.program
        self._selector.unregister(running.pidfd)
        os.close(running.pidfd)
        del self._running[program.name]
        if not running.keep:
            return
        steady = time.monotonic() - running.since > _STEADY_SECONDS
        short_lives = 1 if steady else running.short_lives + 1
        ended = (
            f"{program.name} was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"{program.name} ended with {code}"
        )
        cause = f": {known}" if (known := self._cause()) else ""
        if self.gives_up and short_lives == _SHORT_LIVES:
            raise StackError(f"{ended}, {short_lives} times in a row soon after its start{cause}")
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(short_lives - 1, 10), _LONGEST_PAUSE_SECONDS)
        self._lines.say(f"{ended} and is started again in {pause:g} s{cause}")
        self._due.append((time.monotonic() + pause, program, short_lives))

    def _relay(self, program: Program, pipe: IO[bytes]) -> None:
        if not self._lines.relay(program.name, pipe, program.noise):
            self._selector.unregister(pipe)
            pipe.close()
