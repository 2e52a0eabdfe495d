"""A load under way: one source after the other, each sent, followed to the end of its jobs, and its errors kept."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import click

from sluice_client._sync.client import Client
from sluice_client._sync.job import Job
from sluice_client.cli.content import Content, Source
from sluice_client.cli.ends import PutOff
from sluice_client.cli.errorfile import ErrorFiles, Shift
from sluice_client.cli.heads import headed
from sluice_client.cli.numbers import number_columns, schema_of_tenant
from sluice_client.cli.reading import head_of
from sluice_client.cli.report import Report, SourceReport
from sluice_client.cli.screen import Screen, Standing, counted
from sluice_client.cli.sources import STANDARD_INPUT, form_of, is_seekable, kind_of, title_of
from sluice_client.cli.stream import sent_batches
from sluice_client.cli.wishes import Wishes
from sluice_client.compressed import decompressed, naming
from sluice_client.cutting import CSV
from sluice_client.errors import Forbidden, NotFound
from sluice_client.journal import Journal
from sluice_client.models import JobInfo
from sluice_client.reports import PartSent

_SHOWN_REASONS = 3
_BATCHES_IN_FLIGHT = 4  # of a stream: accepted, and not known to have ended


class Run:
    """The load of the sources of one command.

    Args:
        client: of the server.
        wishes: of its user.
        screen: for its progress.
        errors: for the records that are refused.
    """

    def __init__(self, client: Client, wishes: Wishes, screen: Screen, errors: ErrorFiles) -> None:
        self._client, self._wishes = client, wishes
        has_commas = wishes.reading.decimal_comma is not None
        self._schema = schema_of_tenant(client) if has_commas else {}
        self._screen, self._errors = screen, errors
        self.report = Report(dry_run=bool(wishes.options.get("validate_only")))
        self._source: SourceReport
        self._standing: Standing
        self._journals: list[Journal] = []
        self._streams: list[str] = []

    def load(self, path: Path) -> None:
        """Load a file, or a pipe."""
        (self._load_file if is_seekable(path) else self._load_stream)(path)

    def judge(self, paths: Iterable[Path]) -> None:
        """Look at all files before the first is sent, so that a wrong option or form of the last stops the first.

        Raises:
            SluiceError: a file cannot be loaded so.
            UsageError: options are of CSV, and a file is not.
        """
        for path in paths:
            if is_seekable(path):
                with decompressed(path) as content, naming(path):
                    self._judged(path, head_of(content))
            else:
                self._streams.append(title_of(path))
            if self._wishes.follow:
                self._errors.require_writable(path)

    def over(self) -> None:
        """Remove the journals: all has been told, so that nothing is left to go on with."""
        for journal in self._journals:
            journal.forget()

    def stands(self) -> list[str]:
        """Return what stands of a load that was broken off, as lines."""
        lines = []
        for report in self.report.sources:
            if report.followed:
                lines.append(report.line(dry_run=self.report.dry_run, seconds=0.0))
            elif report.jobs:
                lines.append(f"{report.name}: accepted as {', '.join(report.jobs)}, which runs on without this command")
            elif self._journals and self._journals[-1].begun():
                parts = f"{counted(self._standing.parts, 'part')} of it arrived"
                lines.append(f"{report.name}: {parts}; nothing of it runs before all have")
        return lines

    def goes_on_by(self, command: str) -> list[str]:
        """Return how to go on by a command, as lines."""
        lines = ["Go on with it by:", f"  {command}"]
        if self._streams:
            lines.append(f"It reads {' and '.join(self._streams)} from the beginning: give it the same input again.")
        return lines

    def _load_file(self, path: Path) -> None:
        with decompressed(path) as content, naming(path):
            source = self._judged(path, head_of(content))
        resume = self._is_gone_on_with(path)
        self._begin(path, path.stat().st_size)
        self._journals.append(self._journal(path))
        job = self._sent(source, resume=resume)
        self._accepted(job)
        if self._wishes.follow:
            self._wait(job)
            self._keep_errors(source, [(job, Shift(0, 0))])

    def _load_stream(self, path: Path) -> None:
        raw = sys.stdin.buffer if path == STANDARD_INPUT else path.open("rb")
        with decompressed(path, raw) as opened, naming(Path(title_of(path))):
            head, content = headed(opened)
            source = self._judged(path, head)
            self._begin(path, None)
            waiting: deque[Job] = deque()
            jobs: list[tuple[Job, Shift]] = []
            for batch in sent_batches(
                self._client,
                source,
                content,
                self._options(source),
                part_bytes=self._wishes.part_bytes,
                anew=self._wishes.resume is False,
            ):
                self._standing.read += batch.size
                self._accepted(batch.job)
                waiting.append(batch.job)
                jobs.append((batch.job, batch.shift))
                while self._wishes.follow and len(waiting) >= _BATCHES_IN_FLIGHT:
                    self._wait(waiting.popleft())
                if self._source.stopped:
                    break
            while self._wishes.follow and waiting:
                job = waiting.popleft()
                if self._source.stopped:
                    job.cancel()
                self._wait(job)
        self._keep_errors(source, jobs)

    def _begin(self, path: Path, total_bytes: int | None) -> None:
        self._source, self._standing = SourceReport(title_of(path)), Standing(title_of(path), total_bytes)
        self.report.sources.append(self._source)
        self._screen.begun(self._standing)

    def _judged(self, path: Path, head: bytes) -> Source:
        """Return a source with its form and kind.

        Args:
            path: of it.
            head: its first bytes.
        """
        form = form_of(path, self._wishes.format, self._wishes.delimiter, head)
        if self._wishes.of_csv and form.content_type != CSV:
            options, verb = " and ".join(self._wishes.of_csv), "is" if len(self._wishes.of_csv) == 1 else "are"
            raise click.UsageError(f"{options} {verb} for CSV, and {title_of(path)} holds JSON")
        reading = self._wishes.reading.of(form)
        kind = self._wishes.kind or kind_of(path, form, reading.head(head))
        if reading.decimal_comma is not None:
            reading = replace(reading, decimal_comma=number_columns(self._schema, kind, self._wishes.type))
        return Source(path, kind, reading.filling(kind, self._wishes.type))

    def _is_gone_on_with(self, path: Path) -> bool:
        """True if an earlier load of a file, which broke off, is gone on with.

        Raises:
            PutOff: nobody can be asked, and the file has changed since; or the answer was to stop.
        """
        journal = self._journal(path)
        if self._wishes.resume is not None or not journal.begun():
            return self._wishes.resume is not False
        changed = not journal.is_of_the_file_as_it_is()
        if sys.stdin.isatty() and sys.stderr.isatty():
            return self._asked(path, changed=changed)
        if changed:
            raise PutOff(
                f"{path} has changed since an earlier load of it broke off: --resume sends what has changed, and "
                "--restart begins anew"
            )
        self._screen.note(f"{path}: going on with the load that broke off")
        return True

    def _journal(self, path: Path) -> Journal:
        return Journal(path, self._wishes.journals)

    def _asked(self, path: Path, *, changed: bool) -> bool:
        since = ", and it has changed since" if changed else ""
        with self._screen.aside():
            try:
                answer = click.prompt(
                    f"{path}: an earlier load did not come to its end{since}. Go on with it, begin anew, or stop",
                    type=click.Choice(["resume", "restart", "stop"]),
                    default="resume",
                    err=True,
                )
            except click.Abort:  # click's word for Ctrl-C and Ctrl-D
                raise KeyboardInterrupt from None
        if answer == "stop":
            raise PutOff("stopped before anything was sent")
        return bool(answer == "resume")

    def _sent(self, source: Source, *, resume: bool) -> Job:
        """Send a file, and return its job."""
        content = Content(source, self._wishes.journals)
        events = getattr(self._client, source.kind).upload(
            content.file(),
            resume=resume,
            part_bytes=self._wishes.part_bytes,
            parts_at_once=self._wishes.parts_at_once,
            **self._options(source),
        )
        standing = self._standing
        with closing(events):
            for event in events:
                if isinstance(event, PartSent):
                    standing.parts += 1
                    standing.skipped += event.skipped
                    standing.read = content.place()
                    self._screen.moved(standing)
        if standing.skipped:
            had = f"{standing.skipped:,} of {standing.parts:,} parts had arrived before"
            self._screen.note(f"{standing.name}: {had}, and were not sent again")
        return self._client.jobs.get(event.job_id)

    def _options(self, source: Source) -> dict[str, Any]:
        options = {**self._wishes.options, **source.reading.options(source.kind, self._wishes.type)}
        limit = self._wishes.max_errors
        if limit and not limit.percent:
            options["max_errors"] = limit.number - self.report.failed
        return options

    def _accepted(self, job: Job) -> None:
        info = cast(JobInfo, job.info)
        self._source.jobs.append(job.id)
        self._screen.accepted(self._standing, info)
        are = "is" if info.total == 1 else "are"
        self._screen.note(f"{self._standing.name}: {counted(info.total, 'item')} {are} accepted as {job.id}")

    def _wait(self, job: Job) -> None:
        """Wait for the end of a job, and count what became of its items."""
        standing = self._standing
        before, failed_before = standing.processed, standing.failed

        def moved(info: JobInfo) -> None:
            standing.processed = before + info.processed
            standing.failed = failed_before + info.effects.failed
            self._screen.moved(standing)
            if self._has_too_many() and not info.ended:
                job.cancel()

        info = job.ended(on_progress=moved, check=False)
        self._source.ended(info)
        self._source.stopped |= self._has_too_many()

    def _has_too_many(self) -> bool:
        """True if more items have failed than may; the server heeds a number itself, job by job."""
        limit, standing = self._wishes.max_errors, self._standing
        if limit is None:
            return False
        if limit.percent:
            return standing.failed * 100 > limit.number * (standing.items or 0)
        return self.report.failed > limit.number

    def _keep_errors(self, source: Source, jobs: list[tuple[Job, Shift]]) -> None:
        """Write the records that were refused, and find the most frequent reasons."""
        refused = [(job, shift) for job, shift in jobs if job.info and job.info.ended and job.info.effects.failed]
        if not refused:
            return
        raw = self._errors.raw
        self._errors.write(source.path, refused, source.reading.form.separator)
        self._source.raw_rows = self._errors.raw - raw if source.content_type == CSV else 0
        self._source.errors_file = self._errors.name_for(source.path)
        self._source.reasons = [*islice(refused[0][0].error_groups(), _SHOWN_REASONS)]


def probed(client: Client) -> dict[str, Any]:
    """Ask the server what it takes, so that a wrong key fails before anything is read; return its limits.

    Raises:
        SluiceError: the server is away, or the key opens nothing.
        NotFound: the tenant has no template.
    """
    limits = client.capabilities().limits
    try:
        settings = client.settings.get()
    except Forbidden:  # a key that only writes
        return limits
    if settings.template is None:
        raise NotFound(404, "TEMPLATE_NOT_CONFIGURED", "the tenant has no template: choose one by PUT /settings")
    return limits
