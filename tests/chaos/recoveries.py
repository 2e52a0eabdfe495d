"""How long it took until work went on: measured and told, never judged by a test, since a busy machine is no fault."""

from dataclasses import dataclass
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


def table() -> list[str]:
    """The slowest measurement of each fault, as lines."""
    slowest: dict[str, Recovery] = {}
    for each in MEASURED:
        if each.fault not in slowest or slowest[each.fault].seconds < each.seconds:
            slowest[each.fault] = each
    return [f"{each.fault:<60} {each.seconds:6.1f} s   goal {each.goal:4.0f} s" for each in slowest.values()]
