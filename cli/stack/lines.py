"""Output of programs: printed line by line, each with its program's label, or appended to a file."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO

import click

from cli.terminal import printable

_COLOURS = ("blue", "red", "white", "green", "yellow", "magenta", "cyan")  # click drops them where there is no terminal
_LABEL_WIDTH = 9


class Lines:
    """The lines of all programs, printed or written to a file.

    Args:
        log: the file that takes them; None: they are printed.
    """

    def __init__(self, log: Path | None) -> None:
        self._log: IO[bytes] | None = None
        if log is not None:  # only this user may read which requests there were
            self._log = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        self._labels: dict[str, str] = {}
        self._rests: dict[int, bytes] = {}  # by pipe: of a line whose end has not come yet

    @property
    def output(self) -> int | IO[bytes]:
        """Return the output for a program: the file, or a pipe of its own to `relay` from."""
        return self._log or subprocess.PIPE

    def relay(self, name: str, pipe: IO[bytes], noise: str = "") -> bool:
        """Print what a program has written.

        Args:
            name: the program's.
            pipe: known to be readable.
            noise: leave out the lines that contain this; empty: leave out none.

        Returns:
            False at the end: the last process that could write to the pipe is gone.
        """
        data = os.read(pipe.fileno(), 65536)
        *lines, rest = (self._rests.pop(pipe.fileno(), b"") + data).split(b"\n")
        if data:
            self._rests[pipe.fileno()] = rest
        elif rest:
            lines.append(rest)
        for line in lines:
            text = line.decode(errors="replace")
            if not noise or noise not in text:
                self._print(name, text)
        return bool(data)

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        if self._log is not None:
            with suppress(OSError):  # if the disk is full, the programs must still be stopped
                self._log.write(f"sluice: {text}\n".encode())
        else:
            self._print("sluice", text)

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()

    def _print(self, name: str, text: str) -> None:
        colour = _COLOURS[len(self._labels) % len(_COLOURS)]
        label = self._labels.setdefault(name, click.style(f"{name:{_LABEL_WIDTH}}|", fg=colour))
        click.echo(f"{label} {printable(text)}")
