"""Measure how long it took until work went on. No test judges it, since a busy machine is no fault."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tests.chaos.history import Witness


@dataclass(frozen=True)
class Recovery:
    """One measurement.

    Attributes:
        goal: seconds in which it should happen on an idle machine.
    """

    fault: str
    goal: float
    seconds: float


MEASURED: list[Recovery] = []


def now(witness: Witness) -> Any:
    """The database's clock, by which everything here is measured."""
    return witness.one("SELECT clock_timestamp()")


def measure(fault: str, *, goal: float, since: Any, then: Any) -> None:
    """Keep what lies between two moments of the database's clock."""
    MEASURED.append(Recovery(fault, goal, (then - since).total_seconds()))


# The progress of jobs of the operator API, since those of the public API mostly run in web processes.
_PROGRESS = """
SELECT min(h.at) FROM history h JOIN jobs j ON j.id = h.job_id
WHERE h.at > %s AND h.processed > 0 AND j.kind IN ('entities', 'events', 'states')
"""
_ACCEPTED = "SELECT min(created_at) FROM jobs WHERE created_at > %s"


def measure_work(fault: str, witness: Witness, *, since: Any, goal: float = 10) -> None:
    """Wait until some job has moved since then, and keep how long that took."""
    witness.until(lambda: witness.one(_PROGRESS, since) is not None, "work to go on")
    measure(f"{fault}: work goes on", goal=goal, since=since, then=witness.one(_PROGRESS, since))


def measure_accepting(fault: str, witness: Witness, *, since: Any, goal: float = 10) -> None:
    """Wait until the API has accepted a batch since then, and keep how long that took."""
    witness.until(lambda: witness.one(_ACCEPTED, since) is not None, "a batch to be accepted")
    measure(f"{fault}: the API accepts", goal=goal, since=since, then=witness.one(_ACCEPTED, since))


def summary(measured: Iterable[Recovery]) -> list[dict[str, Any]]:
    """The measurements of each fault, with the slowest of them."""
    faults: dict[str, list[Recovery]] = {}
    for recovery in measured:
        faults.setdefault(recovery.fault, []).append(recovery)
    return [
        {**asdict(max(times, key=lambda recovery: recovery.seconds)), "times": len(times)}
        for _, times in sorted(faults.items())
    ]


def table(measured: Iterable[Recovery]) -> list[str]:
    """The same as lines."""
    rows = summary(measured)
    width = max((len(row["fault"]) for row in rows), default=0)
    return [
        f"{row['fault']:<{width}}  {row['seconds']:5.1f} s  goal {row['goal']:2.0f} s  of {row['times']:3}"
        for row in rows
    ]
