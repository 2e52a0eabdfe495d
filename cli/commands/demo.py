"""`sluice demo`: a week of real flights through the real system, from nothing, cleaned up at the end."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
import sluice_client
from rich.console import Console
from rich.highlighter import JSONHighlighter
from sluice_client import Client, Job, JobInfo

from cli.actor import actor
from cli.demo.data import Batch, Week, read_week
from cli.demo.screen import BASE_PATH, Bars, Outcome, errors_page, outcomes_table, reasons_table
from cli.stack.datadir import DataDir
from cli.stack.running import Stack, running_stack
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import connect
from ingest.db.tenants import audit, keys, tenants
from ingest.db.tenants.audit import Action
from ingest.errors import SluiceError
from ingest.rights import shown

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_TEMPLATE = "tpl_flights"
_WORKERS = 2

_LOOK_EVERY = 0.1  # seconds between two looks at the jobs: bars that move ten times a second look alive
_TIMEOUT_SECONDS = 120.0  # a batch takes less than a second, so a job that is not done by then is a fault to be shown
_LOG_LINES = 20  # of the stack's processes, shown where something failed
_CALL_SECONDS = 30.0  # with all tries: the server is on this machine

_json = msgspec.json.Encoder(decimal_format="number").encode  # each number as the server wrote it


class DemoFailed(SluiceError):
    """The demonstration did not go as it must; the message says what happened, for a person."""


@click.command()
def demo() -> None:
    """Take real flights through the real system, and show what became of each.

    Starts all that `sluice up` starts, on free ports, with data of its own in a temporary directory; sends every
    airline, airport and plane, a week of flights and two states a plane; ends by itself and leaves nothing behind.

    Example: sluice demo
    """
    console = Console(highlight=False)
    begun = time.monotonic()
    week = _read_examples()
    with _fresh_stack(console) as stack:
        console.print(f"[green]Ready[/green] after {time.monotonic() - begun:.1f} s; to look at, as long as this runs:")
        for name, address in {
            "API": stack.api + BASE_PATH,
            "docs": f"{stack.api}/docs",
            "flower": f"{stack.flower} (login {stack.flower_login})",
        }.items():
            console.print(f"  {name:7} {address}", soft_wrap=True)
        with _own_tenant(stack) as key, _client(stack, key) as client:
            _Play(console, stack, client, week).run()
    console.print(
        f"\nDone in {time.monotonic() - begun:.1f} s. All that was started is stopped; no data and no process is left."
    )
    console.print("Next: [bold]make up[/bold] stays up, and prints a key and a curl that works as pasted.")


def _read_examples() -> Week:
    try:
        return read_week(_EXAMPLES)
    except OSError as error:
        raise DemoFailed(
            f"the demonstration needs {_EXAMPLES}, which a clone of the repository has: {error}"
        ) from error


@contextmanager
def _fresh_stack(console: Console) -> Iterator[Stack]:
    """Run the stack on an empty data directory, so that a second demonstration sees what the first saw."""
    with TemporaryDirectory(prefix="sluice-demo-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            folder.chmod(0o711)  # root's servers run as another user, who has to pass through
        console.print("Starting Postgres, Valkey, web, worker, sweep, webhooks and flower …")
        try:
            with running_stack(folder, port=None, flower_port=None, workers=_WORKERS) as stack:
                yield stack
        except SluiceError:
            _show_log(console, DataDir(folder).log)  # now: it is about to be removed with the directory
            raise


def _show_log(console: Console, log: Path) -> None:
    if log.exists():
        console.print("\n[bold]The last lines of the processes[/bold]")
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        console.print("\n".join(lines), markup=False, soft_wrap=True)


@contextmanager
def _own_tenant(stack: Stack) -> Iterator[str]:
    """Lend a key of a new tenant, which is shut out at the end: DATABASE_URL may name a server that outlives this."""
    with translated(), connect(stack.settings.database_url, "sluice-cli") as conn:
        tenant = tenants.create(conn, "demo")
        made, key = keys.create(conn, tenant.id, "oh_live", "demo")
        audit.record(conn, actor(), Action.TENANT_CREATED, tenant.public_id, tenant_id=tenant.id)
        audit.record(conn, actor(), Action.KEY_CREATED, made.id, tenant_id=tenant.id, details=shown(made.rights))
    try:
        yield key
    finally:
        with translated(), connect(stack.settings.database_url, "sluice-cli") as conn:
            tenants.suspend(conn, tenant.public_id)
            audit.record(conn, actor(), Action.TENANT_SUSPENDED, tenant.public_id, tenant_id=tenant.id)


@contextmanager
def _client(stack: Stack, key: str) -> Iterator[Client]:
    """Open a client of the stack; an error that it raises is one of the demonstration."""
    # trust_env: a proxy that the environment names for the outside world has no business on the loopback.
    with Client(stack.api, key=key, timeout=_CALL_SECONDS, trust_env=False) as client:
        try:
            yield client
        except sluice_client.SluiceError as error:
            raise DemoFailed(str(error)) from error


class _Play:
    """The demonstration itself, scene by scene."""

    def __init__(self, console: Console, stack: Stack, client: Client, week: Week) -> None:
        self._console = console
        self._stack = stack
        self._client = client
        self._week = week

    def run(self) -> None:
        """Play every scene, in the order in which the data need each other.

        Raises:
            DemoFailed: a call was refused, or a job did not end well.
        """
        week = self._week
        self._choose_template()
        outcomes = self._send("Entities: every airline, airport and plane", week.entities)
        outcomes += self._send("Four of these once more, with values that are not of their types", [week.mistyped])
        outcomes += self._send("Events: the flights of 4 to 10 February 2013, the week of a blizzard", week.events)
        outcomes += self._send("States: what the week says of every plane", week.states)
        again = Batch(f"{week.entities[-1].label}, again", "entities", week.entities[-1].items)
        outcomes += self._send("The same planes once more: nothing to do, and nothing done twice", [again])
        self._console.print()
        self._console.print(outcomes_table(outcomes))
        self._console.print(reasons_table(outcomes))
        worst = max(outcomes, key=lambda outcome: len(outcome.errors))
        self._console.print(f"All bad items of {worst.label}, page by page:\n  GET {errors_page(worst.job)}")
        self._read_back()

    def _choose_template(self) -> None:
        self._client.templates.store(_TEMPLATE, **self._week.template)
        self._client.settings.change(template_id=_TEMPLATE)
        self._console.print(
            f"\nA new tenant, with a template of its own: [bold]{_TEMPLATE}[/bold], examples/template.json"
        )

    def _send(self, title: str, batches: Sequence[Batch]) -> list[Outcome]:
        """Post all of them, then watch their jobs until the last has ended."""
        self._console.print(f"\n[bold]{title}[/bold]")
        writes = {"entities": self._client.entities, "events": self._client.events, "states": self._client.states}
        jobs = [writes[batch.kind].send(batch.items) for batch in batches]
        bars = Bars(self._console, [batch.label for batch in batches], [len(batch.items) for batch in batches])
        with bars.shown():
            ended = self._watch(jobs, bars)
        return [
            Outcome(batch.label, info, list(job.errors()))
            for batch, job, info in zip(batches, jobs, ended, strict=True)
        ]

    def _watch(self, watched: Sequence[Job], bars: Bars) -> list[JobInfo]:
        """Return jobs as they have ended; meanwhile the bars of all move, and a stack that falls over is noticed."""
        until = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            jobs = [job.refresh() for job in watched]
            for which, job in enumerate(jobs):
                bars.update(which, job)
                if job.ended and job.status != "completed":
                    reason = f": {job.error.code}, {job.error.message}" if job.error else ""
                    raise DemoFailed(f"{job.id} ended as {job.status}{reason}")
            if all(job.ended for job in jobs):
                return jobs
            if time.monotonic() > until:
                waiting = ", ".join(job.id for job in jobs if not job.ended)
                raise DemoFailed(f"not ended after {_TIMEOUT_SECONDS:.0f} s: {waiting}")
            self._stack.poll(_LOOK_EVERY)

    def _read_back(self) -> None:
        plane = self._week.busiest
        self._console.print(f"\n[bold]Stored of {plane}, the busiest plane of the week[/bold]")
        stored = {"": self._client.entities.get(plane), "/state": list(self._client.states.list(plane))}
        for path, answer in stored.items():
            self._console.print(f"GET {BASE_PATH}/entities/{plane}{path}")
            self._console.print(JSONHighlighter()(msgspec.json.format(_json(answer), indent=2).decode()))
