"""Measure a transaction that runs blocks, to be counted once it has committed."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ingest.db.jobs.claims import Claim
from ingest.jobs import Effect, ItemError
from ingest.metrics import names


class Measure:
    """Measures a transaction that runs a block, or several jobs that are alike.

    Attributes:
        halved: it was run again, to narrow down what the database refused.
        quarantined: its items were checked in quarantine first.
        committed: it was, with all that was measured.
        laps: the end of each phase, in nanoseconds since 1970, in their order.
    """

    def __init__(self) -> None:
        self.halved = False
        self.quarantined = False
        self.committed = False
        self.begin()

    def begin(self) -> None:
        """Begin anew: the transaction is run again."""
        self._effects: Counter[Effect] = Counter()
        self._codes: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self.laps: list[tuple[str, int]] = []
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Note that a phase is over: read, check, write or commit."""
        now = time.perf_counter()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._last
        self._last = now
        self.laps.append((phase, time.time_ns()))

    def tally(self, effects: Mapping[Effect, int], errors: Iterable[ItemError]) -> None:
        """Note what became of a job's items."""
        for effect, count in effects.items():
            self._effects[effect] += count
        for error in errors:
            self._codes[error.code] += 1

    @property
    def items(self) -> int:
        """The items that have become something."""
        return sum(self._effects.values())

    def count(self, group: Sequence[Claim]) -> None:
        """Count what was committed.

        Args:
            group: the jobs, each with its block.
        """
        kind = group[0].job.kind
        for effect, count in self._effects.items():
            if count:
                names.ITEMS.add(kind, effect, by=count)
        for code, count in self._codes.items():
            names.ITEM_ERRORS.add(kind, code, by=count)
        for phase, seconds in self._seconds.items():
            names.BLOCK_DURATION.observe(seconds, kind, phase)
        again = sum(claim.block.deliveries > 1 for claim in group)
        outcomes = {"done": len(group), "again": again, "halved": self.halved, "quarantined": self.quarantined}
        for outcome, count in outcomes.items():
            if count:
                names.BLOCKS.add(kind, outcome, by=count)
        names.JOBS_PER_TRANSACTION.observe(len(group))
