"""Tell of the progress of a load while it goes, and warn once of many errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sluice_client.reports import LoadEvent, Progress, Report

_LOG = logging.getLogger("sluice_client")
_PROGRESS_SECONDS = 0.2
_WARN_PERCENT = 1


class Teller:
    """The words of one load to its caller and to the log.

    Args:
        on_progress: called at most five times a second, and at the end.
    """

    def __init__(self, on_progress: Callable[[Progress], object] | None) -> None:
        self._on_progress = on_progress
        self._began = self._told = time.monotonic()
        self._is_warned = False

    def tell(self, report: Report, event: LoadEvent) -> None:
        """Add an event to the report, and tell of it."""
        report.add(event)
        if report.total and not self._is_warned and report.failed * 100 >= report.total * _WARN_PERCENT:
            self._is_warned = True
            _LOG.warning("%d of %d items failed so far: %s", report.failed, report.total, dict(report.codes))
        if self._on_progress and time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._on_progress(self._progress(report))

    def finish(self, report: Report) -> None:
        """Tell how the load has ended."""
        report.seconds = time.monotonic() - self._began
        if self._on_progress:
            self._on_progress(self._progress(report))

    def break_off(self, report: Report, error: BaseException) -> None:
        """Give the report to the error that has ended the load, whosever it is: accepted batches stand."""
        vars(error)["report"] = report
        if hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(
                f"The load broke off after {report.accepted} items were accepted, in {len(report.jobs)} jobs, which go "
                "on; the error's `report` has them"
            )

    def _progress(self, report: Report) -> Progress:
        return Progress(report.accepted, report.total, report.failed, time.monotonic() - self._began)
