"""Draw the progress of a load on standard error, where rich is installed."""

from __future__ import annotations

from typing import Any

from sluice_client.reports import Progress


class Bar:
    """A bar of the items whose job has ended, out of those that were sent; it is gone on with until it is closed.

    Raises:
        ModuleNotFoundError: rich is not installed.
    """

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 # an extra
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.progress import Progress as Rich  # noqa: PLC0415

        told = "{task.completed:,} of {task.total:,} items, {task.fields[failed]:,} failed, {task.fields[rate]:,.0f}/s"
        self._rich: Any = Rich(BarColumn(), TextColumn(told), TimeElapsedColumn(), console=Console(stderr=True))
        self._task = self._rich.add_task("", total=0, failed=0, rate=0.0)
        self._rich.start()

    def show(self, progress: Progress) -> None:
        """Draw the state of the load."""
        told = {"total": progress.sent, "completed": progress.processed}
        self._rich.update(self._task, **told, failed=progress.failed, rate=progress.rate)

    def close(self) -> None:
        """Leave the last state as it is, and the lines below to others."""
        self._rich.stop()
