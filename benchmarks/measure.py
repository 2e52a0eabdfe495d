"""Measurements: sides that do the same work, run in turn, round by round, and goals for their ratios."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

RATE = "per_second"


class Skipped(Exception):
    """A row cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Side:
    """One way to do the work.

    Attributes:
        name: as the table shows it.
        sample: does the work once, checks that it is done right, and returns what was measured: `per_second` and what
            else there is to say. Whatever must be laid out before, it lays out before it starts its clock.
        series: the line of the row's plot that it is a point of.
        x: where that point stands.
    """

    name: str
    sample: Callable[[], Mapping[str, float]]
    series: str = ""
    x: float = 0.0


@dataclass(frozen=True)
class Plot:
    """The drawing of a row.

    Attributes:
        title: above it.
        x_label: of the sides' `x`, with its unit.
        scale: of the two axes: `linear`, `log`, or `symlog`, which has a place for 0.
        cost: draw what an item costs, instead of how many are done in a second.
    """

    title: str
    x_label: str
    scale: tuple[str, str]
    cost: bool = True


@dataclass(frozen=True)
class Ratio:
    """The first side's median rate, as a multiple of the second's, shall be so much at least."""

    ours: str
    theirs: str
    at_least: float


@dataclass(frozen=True)
class Limit:
    """The median of one of a side's figures shall be so much at most."""

    side: str
    figure: str
    at_most: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        title: what is measured.
        unit: of which each side does so many a second.
        sides: two or more.
        goals: what is wanted; none where a row only informs.
        notes: what a reader must know to judge it.
        plot: how it is drawn, if it is.
    """

    title: str
    unit: str
    sides: tuple[Side, ...]
    goals: tuple[Ratio | Limit, ...] = ()
    notes: tuple[str, ...] = ()
    plot: Plot | None = None


@dataclass
class Outcome:
    """The samples of a row: by side and figure, a number a round."""

    name: str
    row: Row
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def median(self, side: str, figure: str = RATE) -> float:
        return statistics.median(self.samples[side][figure])

    def judged(self) -> Iterator[dict[str, Any]]:
        """Yield each goal, its measured ratio, and whether that is enough."""
        for goal in self.row.goals:
            if isinstance(goal, Ratio):
                value = self.median(goal.ours) / self.median(goal.theirs)
                text = f"{goal.ours} / {goal.theirs}"
                yield {"what": text, "at_least": goal.at_least, "value": value, "met": value >= goal.at_least}
            else:
                value = self.median(goal.side, goal.figure)
                text = f"{goal.side}, {goal.figure}"
                yield {"what": text, "at_most": goal.at_most, "value": value, "met": value <= goal.at_most}


def measure(name: str, row: Row, rounds: int, say: Callable[[str], None]) -> Outcome:
    """Run every side once to warm up, then all of them in turn, so many rounds.

    Whatever else the machine does falls on all sides alike; every second round goes through them backwards, so that no
    side always follows the same one.
    """
    outcome = Outcome(name, row, {side.name: {} for side in row.sides})
    for number in range(rounds + 1):
        say(f"{name}: " + (f"round {number} of {rounds}" if number else "warming up"))
        for side in row.sides if number % 2 == 0 else reversed(row.sides):
            figures = side.sample()
            if number:
                for figure, value in figures.items():
                    outcome.samples[side.name].setdefault(figure, []).append(value)
    return outcome


@dataclass
class Clock:
    """The seconds that a `with` block took."""

    seconds: float = 0.0

    def rate(self, count: int) -> dict[str, float]:
        return {RATE: count / self.seconds}


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    began = time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - began
