"""The progress of a load on standard error: two bars on a terminal, a line every ten seconds elsewhere, or nothing."""

from __future__ import annotations

import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from sluice_client.models import JobInfo

_LINE_SECONDS = 10.0
_KIB = 1024.0

# Control, format, surrogates, and separators of lines: they would move the cursor, colour the text or break the line.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return foreign text with the characters escaped that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def say(text: str) -> None:
    """Print a line on standard error."""
    click.echo(printable(text), err=True)


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if count < _KIB:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= _KIB
    return f"{count:,.1f} GiB"


def counted(count: int, noun: str) -> str:
    """Return a number of things as people read it."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass
class Standing:
    """The state of a load of one source.

    Attributes:
        name: of the source.
        total_bytes: on the disk; None where nobody knows.
        read: of these bytes.
        parts: that have arrived.
        skipped: parts that had arrived before.
        items: of the job, once it is accepted.
        processed: of these.
        failed: of these.
    """

    name: str
    total_bytes: int | None
    read: int = 0
    parts: int = 0
    skipped: int = 0
    items: int | None = None
    processed: int = 0
    failed: int = 0
    began: float = field(default_factory=time.monotonic)
    accepted: float = 0.0

    @property
    def rate(self) -> float:
        """Items a second, since the job was accepted."""
        return self.processed / max(time.monotonic() - self.accepted, 0.001)

    def line(self) -> str:
        """Return the state as a line."""
        if self.items is None:
            of_all = f" of {size(self.total_bytes)}" if self.total_bytes else ""
            percent = f" ({self.read * 100 // self.total_bytes} %)" if self.total_bytes else ""
            return f"{self.name}: {size(self.read)}{of_all} sent{percent}"
        return (
            f"{self.name}: {self.processed:,} of {self.items:,} items processed, {self.failed:,} failed, "
            f"{self.rate:,.0f} items/s"
        )


class Screen:
    """A progress that shows nothing; the other two show more.

    Args:
        out_loud: also print notes, such as the ids of jobs.
    """

    def __init__(self, *, out_loud: bool = True) -> None:
        self._out_loud = out_loud

    def note(self, text: str) -> None:
        """Tell something that is worth a line."""
        if self._out_loud:
            say(text)

    def begun(self, standing: Standing) -> None:
        """Show a source from now on."""

    def moved(self, standing: Standing) -> None:
        """Show how far it is."""

    def accepted(self, standing: Standing, job: JobInfo) -> None:
        """Show the second phase of it, in which a job runs."""
        standing.items = job.total if standing.items is None else standing.items + job.total
        standing.accepted = standing.accepted or time.monotonic()

    def watched(self, standing: Standing, job: JobInfo) -> None:
        """Show a job that something else has sent."""
        self.accepted(standing, job)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress in a block."""
        yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Show none in a block, which asks a person something."""
        yield


class Lines(Screen):
    """A progress of lines, for logs."""

    _standing: Standing | None = None

    def begun(self, standing: Standing) -> None:
        """Show a source from now on."""
        self._standing = standing

    def watched(self, standing: Standing, job: JobInfo) -> None:
        """Show a job that something else has sent."""
        self.begun(standing)
        super().watched(standing, job)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress in a block, by a thread: the block waits for the server."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(_LINE_SECONDS):
                if self._standing:
                    say(self._standing.line())

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()


class Bars(Screen):
    """A progress of two bars for each source: bytes that were read, and items that were processed."""

    def __init__(self) -> None:
        super().__init__()
        from rich import progress  # noqa: PLC0415 # a terminal alone needs it
        from rich.console import Console  # noqa: PLC0415

        self._console = Console(stderr=True, highlight=False, markup=False)
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[amount]}", markup=False),
            progress.TimeRemainingColumn(compact=True),
            console=self._console,
        )
        self._reading: Any = None
        self._running: Any = None

    def note(self, text: str) -> None:
        """Tell something above the bars."""
        self._console.print(printable(text), soft_wrap=True)

    def begun(self, standing: Standing) -> None:
        """Show a source from now on."""
        self._reading = self._progress.add_task(
            f"send {printable(standing.name)}", total=standing.total_bytes, amount=""
        )

    def accepted(self, standing: Standing, job: JobInfo) -> None:
        """Show the second bar."""
        first = standing.items is None
        super().accepted(standing, job)
        if first:
            self._running = self._progress.add_task("  items", total=standing.items, amount="")
        self._progress.update(self._running, total=standing.items)

    def moved(self, standing: Standing) -> None:
        """Show how far it is."""
        seconds = max(time.monotonic() - standing.began, 0.001)
        if standing.items is None:
            amount = f"{size(standing.read)}, {size(standing.read / seconds)}/s"
            self._progress.update(self._reading, completed=standing.read, amount=amount)
        else:
            amount = (
                f"{standing.processed:,}/{standing.items:,}, {standing.rate:,.0f} items/s, {standing.failed:,} failed"
            )
            self._progress.update(self._running, completed=standing.processed, amount=amount)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bars in a block."""
        with self._progress:
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Show none in a block, which asks a person something."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


def screen_of(progress: str, *, quiet: bool) -> Screen:
    """Return the progress that a person wants: `auto`, `plain` or `off`."""
    if quiet:
        return Screen(out_loud=False)
    if progress == "off":
        return Screen()
    return Bars() if progress == "auto" and sys.stderr.isatty() else Lines()
