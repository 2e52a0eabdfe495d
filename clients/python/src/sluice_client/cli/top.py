"""`top`: the open jobs of a tenant on one screen, drawn anew each second."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sluice_client._sync.client import Client
from sluice_client.cli.ends import code_of, told
from sluice_client.cli.screen import printable, say
from sluice_client.cli.target import target_of, target_options
from sluice_client.errors import NotFound, SluiceError
from sluice_client.models import JobInfo

_OPEN = ("pending", "processing", "paused")
_MOST = 200  # a page of the list
_COLUMNS = ("job", "type", "status", "done", "items", "failed", "items/s", "left", "age", "label")
_NO_TERMINAL = 1_000  # characters of a line: whatever reads it gets every column
_GAP = 2  # between columns
_LEAST_LABEL = 8  # a label that is cut shorter tells nothing


@click.command()
@target_options
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Show it once, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print the open jobs once, as JSON.")
@click.pass_context
def top(context: click.Context, /, interval: float, **said: Any) -> None:
    """Show the open jobs of a tenant on one screen: progress, speed, the oldest's wait, and the busy workers.

    Asks a server by its API, each second, until Ctrl-C. The first 200 open jobs are shown.

    Example: sluice top --interval 5, or sluice jobs top --interval 5
    """
    on_terminal = sys.stdout.isatty()
    console = Console(highlight=False, markup=False, width=None if on_terminal else _NO_TERMINAL)
    try:
        with target_of(said["url"], said["key"]).client() as client:
            if said["as_json"]:
                click.echo(msgspec.json.encode(open_jobs(client)))
            elif said["once"] or not on_terminal:
                console.print(screen(open_jobs(client), workers_of(client), console.width))
            else:
                over = threading.Event()
                first = screen(open_jobs(client), workers_of(client), console.width)
                with Live(first, console=console, screen=True, auto_refresh=False) as live:
                    while not over.wait(interval):
                        live.update(screen(open_jobs(client), workers_of(client), console.width), refresh=True)
    except KeyboardInterrupt:
        return
    except SluiceError as error:
        say(f"Error: {told(error)}")
        context.exit(code_of(error))


def open_jobs(client: Client) -> list[JobInfo]:
    """Return the jobs that have not ended, the oldest first."""
    jobs = client.jobs.list(status=_OPEN, limit=_MOST)
    found = [job.info for job, _ in zip(jobs, range(_MOST), strict=False) if job.info]
    return found[::-1]


def workers_of(client: Client) -> str:
    """Return what is shown of the workers; nothing where the server tells nothing, as one of an older version."""
    try:
        workers = client.workers()
    except NotFound:
        return ""
    counts = {"running": workers.running, "busy": workers.busy}
    known = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count is not None)
    return f"workers: {known}" if known else ""


def screen(jobs: list[JobInfo], workers: str, width: int) -> Group:
    """Return what is shown of jobs and workers, on a screen of so many columns."""
    now = datetime.now(timezone.utc)
    waiting = [(now - job.created_at).total_seconds() for job in jobs if job.status == "pending"]
    rate = sum(job.rate or 0 for job in jobs if job.status == "processing")
    facts = [
        f"{now:%H:%M:%SZ}  {len(jobs):,} open jobs",
        f"{sum(job.total - job.processed for job in jobs):,} items to do",
        f"{rate:,.0f} items/s",
        f"oldest wait {_span(max(waiting, default=0))}",
        workers,
    ]
    return Group(*map(Text, _lines(filter(None, facts), width)), Text(), _table(jobs, now, width))


def _lines(facts: Iterable[str], width: int) -> Iterator[str]:
    """Yield facts side by side, in lines that end between two of them where the screen does."""
    line = ""
    for fact in facts:
        if line and len(line) + len(", ") + len(fact) > width:
            yield line
            line = ""
        line += f", {fact}" if line else fact
    yield line


def _table(jobs: list[JobInfo], now: datetime, width: int) -> Table:
    """Return the jobs with as many columns, from the left, as fit whole; the last one, of labels, may be cut."""
    rows = [list(map(printable, _row(job, now))) for job in jobs]
    table, room = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0)), width
    for name, *cells in zip(_COLUMNS, *rows, strict=True):
        wanted = max(map(cell_len, [name, *cells]))
        shown = min(wanted, max(room, _LEAST_LABEL)) if name == "label" else wanted
        if table.columns and shown > room:
            break
        table.add_column(name, no_wrap=True, width=shown)
        room -= shown + _GAP
    for row in rows:
        table.add_row(*row[: len(table.columns)])
    return table


def _row(job: JobInfo, now: datetime) -> list[str]:
    return [
        job.id,
        job.type.removeprefix("batch_ingest_"),
        job.status,
        f"{job.progress} %",
        f"{job.total:,}",
        f"{job.effects.failed:,}",
        f"{job.rate:,.0f}" if job.rate else "",
        _span(job.eta_seconds) if job.eta_seconds is not None else "",
        _span((now - job.created_at).total_seconds()),
        job.label or "",
    ]


def _span(seconds: float) -> str:
    """Return a time as people read it."""
    minutes, left = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
