"""Output of the demonstration: live bars on a terminal, plain lines elsewhere, and two tables."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from sluice_client import ItemError, JobInfo

BASE_PATH = "/operator-data-api"

_FIRST_FEW = 3  # bad items that are named per reason; the errors page has all of them


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one batch: its name, its ended job, and all of its bad items."""

    label: str
    job: JobInfo
    errors: list[ItemError]


class Bars:
    """One bar per job, as long as it runs."""

    def __init__(self, console: Console, labels: Sequence[str], totals: Sequence[int]) -> None:
        self._live = console.is_terminal
        self._console = console
        self._labels = labels
        self._ended: set[int] = set()
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
        )
        self._tasks = [
            self._progress.add_task(label, total=total, note="") for label, total in zip(labels, totals, strict=True)
        ]

    @contextmanager
    def shown(self) -> Iterator["Bars"]:
        """On the screen while the block runs; they stay there, as they stand, after it."""
        with self._progress:
            yield self

    def update(self, which: int, job: JobInfo) -> None:
        """Show how far a job is; where nothing is live, say it once, when it has ended."""
        failed = job.effects.failed
        note = f"{job.status}{f', {failed:,} bad' if failed else ''}"
        self._progress.update(self._tasks[which], completed=job.processed, note=note)
        if job.ended and which not in self._ended:
            self._ended.add(which)
            self._progress.stop_task(self._tasks[which])
            if not self._live:
                self._console.print(f"  {self._labels[which]}: {job.processed:,} of {job.total:,} items, {note}")


def outcomes_table(outcomes: Sequence[Outcome]) -> Table:
    """Print a line for each batch: its effects, which sum to its total, and how fast it went."""
    table = _table("The outcome of every batch")
    table.show_footer = True
    table.add_column("batch", footer="all", no_wrap=True)
    jobs = [outcome.job for outcome in outcomes]
    counted = [msgspec.structs.asdict(job.effects) for job in jobs]
    effects = [effect for effect in counted[0] if any(counts[effect] for counts in counted)]
    for name in ("total", *effects):
        total = sum(job.total for job in jobs) if name == "total" else sum(counts[name] for counts in counted)
        table.add_column(name, footer=f"{total:,}", justify="right", style="red" if name == "failed" else "")
    table.add_column("seconds", justify="right")
    table.add_column("items/s", justify="right")
    for outcome, counts in zip(outcomes, counted, strict=True):
        job, seconds = outcome.job, outcome.job.finished_in_seconds or 0.0
        cells = [f"{job.total:,}", *(f"{counts[effect]:,}" if counts[effect] else "·" for effect in effects)]
        table.add_row(outcome.label, *cells, f"{seconds:.2f}", f"{job.total / max(seconds, 0.001):,.0f}")
    return table


def reasons_table(outcomes: Sequence[Outcome]) -> Table:
    """Print the bad items, by batch and reason: how many, and which were the first."""
    table = _table("The bad items and their reasons")
    table.add_column("batch", no_wrap=True)
    table.add_column("items and code", no_wrap=True)
    table.add_column("first message; indexes and external ids")
    for outcome in outcomes:
        groups: dict[tuple[str, str], list[ItemError]] = defaultdict(list)
        for error in outcome.errors:
            groups[error.code, _pattern(error)].append(error)
        for (code, _), errors in groups.items():
            named = [f"{error.index} {error.external_id or ''}".rstrip() for error in errors[:_FIRST_FEW]]
            more = ["…"] if len(errors) > _FIRST_FEW else []
            told = f"{errors[0].message}\nat {', '.join(named + more)}"
            table.add_row(outcome.label, f"{len(errors):>5,} {code}", escape(told))
    return table


def errors_page(job: JobInfo) -> str:
    """Print where all of a job's bad items can be read."""
    return f"{BASE_PATH}/batch/jobs/{job.id}/errors"


def _table(title: str) -> Table:
    """Make a table with two spaces between columns, so that it fits into the 80 columns of a small terminal."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _pattern(error: ItemError) -> str:
    """Return the message less the id in it, so that a thousand missing planes are one reason and not a thousand."""
    plain = error.message.replace(error.external_id, "") if error.external_id else error.message
    return re.sub(r"\d+", "", plain)
