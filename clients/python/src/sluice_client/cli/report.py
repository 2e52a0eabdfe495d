"""The report of a load: counted as its jobs end, and told as its last line or as JSON."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sluice_client.cli.ends import GOOD, SOME_FAILED, TOO_MANY_FAILED
from sluice_client.cli.screen import counted
from sluice_client.models import ErrorGroup, JobInfo

_EFFECTS = ("created", "updated", "unchanged", "duplicate", "failed", "unprocessed")
_TOO_MANY = "TOO_MANY_ERRORS"


@dataclass
class SourceReport:
    """The outcome of one source.

    Attributes:
        name: of it.
        jobs: ids of its jobs.
        followed: they were waited for.
        total: its items, as far as they are known.
        effects: the count of items by their effect; they sum to `total` once it was followed.
        unfinished: jobs that did not complete, each with the reason.
        stopped: `--max-errors` ended it.
        reasons: the most frequent errors.
        errors_file: of the records that were refused; None if there is none.
        raw_rows: records in that file that are texts of rows of CSV, and no items.
        skipped: parts that an earlier load had sent.
    """

    name: str
    jobs: list[str] = field(default_factory=list)
    followed: bool = False
    total: int = 0
    effects: Counter[str] = field(default_factory=Counter)
    unfinished: list[str] = field(default_factory=list)
    stopped: bool = False
    reasons: list[ErrorGroup] = field(default_factory=list)
    errors_file: str | None = None
    raw_rows: int = 0
    skipped: int = 0

    def ended(self, info: JobInfo) -> None:
        """Count a job that has ended."""
        self.followed = True
        self.total += info.total
        for effect in _EFFECTS:
            self.effects[effect] += getattr(info.effects, effect)
        if info.status != "completed":
            why = f": {info.error.code}: {info.error.message}" if info.error else ""
            self.unfinished.append(f"{info.id} {info.status}{why}")
            self.stopped |= info.error is not None and info.error.code == _TOO_MANY

    def line(self, *, dry_run: bool, seconds: float) -> str:
        """Return the report of one source as a line."""
        if not self.followed:
            return f"{self.name}: accepted as {', '.join(self.jobs)}"
        counts = [f"{self.effects[effect]:,} {effect}" for effect in _EFFECTS if self.effects[effect]]
        checked = ", checked only: nothing was written" if dry_run else ""
        took = f", in {seconds:.1f} s ({self.total / seconds:,.0f} items/s)" if seconds else ""
        errors = f"; errors in {self.errors_file}" if self.errors_file not in {None, "-"} else ""
        return f"{self.name}: {counted(self.total, 'item')}: {', '.join(counts)}{checked}{took}{errors}"

    def reason_lines(self) -> list[str]:
        """Return the most frequent errors, a line each, in the words of the first item that has it."""
        lines = [
            f"  {counted(group.count, 'item')}: {group.code}: {group.sample.message}"
            + (f" (first in line {group.sample.line:,})" if group.sample.line else "")
            for group in self.reasons
        ]
        others = self.effects["failed"] - sum(group.count for group in self.reasons)
        if lines and others:
            lines.append(f"  {counted(others, 'more item')}")
        if self.raw_rows:
            rows = f"{counted(self.raw_rows, 'row')} of them {'makes' if self.raw_rows == 1 else 'make'} no item"
            lines.append(f"  {rows}: --errors-format csv keeps rows as they are, to be corrected in their cells")
        return lines


@dataclass
class Report:
    """The outcome of all sources of a command."""

    dry_run: bool = False
    sources: list[SourceReport] = field(default_factory=list)
    resume_command: str | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.began

    @property
    def failed(self) -> int:
        """Items that were refused."""
        return sum(source.effects["failed"] for source in self.sources)

    @property
    def stopped(self) -> bool:
        """True if --max-errors ended the load."""
        return any(source.stopped for source in self.sources)

    def exit_code(self) -> int:
        """Return the exit code of a load that no error ended."""
        if self.stopped:
            return TOO_MANY_FAILED
        return SOME_FAILED if self.failed or any(source.unfinished for source in self.sources) else GOOD

    def lines(self) -> list[str]:
        """Return the report for people; its last line tells of all."""
        found: list[str] = []
        for source in self.sources:
            found += source.reason_lines()
            found += [f"  job {job}" for job in source.unfinished]
            if len(self.sources) > 1:
                found.append(source.line(dry_run=self.dry_run, seconds=0.0))
        return [*found, self._all().line(dry_run=self.dry_run, seconds=self.seconds)]

    def _all(self) -> SourceReport:
        if len(self.sources) == 1:
            return self.sources[0]
        all_of_it = SourceReport(f"{len(self.sources)} files", followed=all(one.followed for one in self.sources))
        for source in self.sources:
            all_of_it.jobs += source.jobs
            all_of_it.total += source.total
            all_of_it.effects.update(source.effects)
        return all_of_it

    def as_json(self) -> dict[str, Any]:
        """Return the report as members of JSON."""
        files = [source.errors_file for source in self.sources if source.errors_file]
        return {
            "files": [source.name for source in self.sources],
            "jobs": [job for source in self.sources for job in source.jobs],
            "total": sum(source.total for source in self.sources),
            "effects": {effect: sum(source.effects[effect] for source in self.sources) for effect in _EFFECTS},
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "errorsFile": files[0] if len(files) == 1 else files or None,
            "resumeCommand": self.resume_command,
        }
