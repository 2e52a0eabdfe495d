"""Have this process trace: after its fork, because a thread of its own sends the spans."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.traces.tracer import Tracer


class _Process:
    tracer: "Tracer | None" = None


def begin(process: str, ratio: float) -> None:
    """Have this process trace from now on.

    Args:
        process: its name in the Procfile.
        ratio: the share of traces that is sent, 0 to 1.
    """
    from ingest.traces.tracer import Tracer  # noqa: PLC0415 # costs nothing where traces are off

    _Process.tracer = Tracer(process, ratio)


def end() -> None:
    """Send the spans that are left, at the end of this process; where it does not trace, this is harmless."""
    if _Process.tracer is not None:
        _Process.tracer.close()
        _Process.tracer = None


def tracer() -> "Tracer | None":
    """Return what makes the spans of this process; None where it does not trace."""
    return _Process.tracer
