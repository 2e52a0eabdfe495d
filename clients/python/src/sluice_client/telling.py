"""Tell of the progress of a load while it goes, and warn once of many errors."""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice_client.bar import Bar
from sluice_client.log import LOG
from sluice_client.reports import LoadEvent, Progress, Report

_PROGRESS_SECONDS = 0.2
_WARN_PERCENT = 1


class Teller:
    """The words of one load to its caller and to the log.

    Args:
        on_progress: called at most five times a second, and at the end.
        bar: draw a bar too.
    """

    def __init__(self, on_progress: Callable[[Progress], object] | None, *, bar: bool) -> None:
        self._on_progress, self._bar = on_progress, _bar() if bar else None
        self._began = self._told = time.monotonic()
        self._is_warned = False

    def tell(self, report: Report, event: LoadEvent) -> None:
        """Add an event to the report, and tell of it."""
        report.add(event)
        if report.total and not self._is_warned and report.failed * 100 >= report.total * _WARN_PERCENT:
            self._is_warned = True
            LOG.warning("%d of %d items failed so far: %s", report.failed, report.total, dict(report.codes))
        if time.monotonic() - self._told >= _PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._show(report)

    def finish(self, report: Report) -> None:
        """Tell how the load has ended."""
        report.seconds = time.monotonic() - self._began
        try:
            self._show(report)
        finally:
            if self._bar:
                self._bar.close()

    def break_off(self, report: Report, error: BaseException) -> None:
        """Give the report to the error that has ended the load, whosever it is: accepted batches stand."""
        vars(error)["report"] = report
        if hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(
                f"The load broke off after {report.accepted} items were accepted, in {len(report.jobs)} jobs, which go "
                "on; the error's `report` has them"
            )

    def _show(self, report: Report) -> None:
        progress = Progress(report.accepted, report.total, report.failed, time.monotonic() - self._began)
        if self._bar:
            self._bar.show(progress)
        if self._on_progress:
            self._on_progress(progress)


def _bar() -> Bar | None:
    try:
        return Bar()
    except ModuleNotFoundError:
        LOG.warning("progress=True draws no bar without rich: pip install 'sluice-client[cli]'")
        return None
