"""Part the outcomes of items that were written together: each job has its own indexes, errors, warnings and results."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import NamedTuple

from ingest.db.jobs.blocks import OpenBlock
from ingest.db.jobs.claims import Claim
from ingest.db.jobs.completion import BlockOutcome
from ingest.db.jobs.results import Results
from ingest.engine.checking import Checked
from ingest.engine.groups import JobGroup
from ingest.engine.kinds import keeps_results
from ingest.engine.outcomes import Outcomes
from ingest.intake.items import Items
from ingest.intake.payloads import kept_text
from ingest.jobs import Effect, ItemError, ItemWarning

_INDEX = attrgetter("index")


class Share(NamedTuple):
    """The results of one job's items, with their indexes in the job's own batch."""

    outcome: BlockOutcome
    errors: list[ItemError]
    warnings: list[ItemWarning]


def shares_of(
    group: JobGroup,
    checked: Sequence[Checked],
    outcomes: Outcomes,
    late: Sequence[ItemWarning],
    *,
    most_bytes: int,
) -> list[Share]:
    """Return each job's share of the outcomes.

    Args:
        group: the jobs.
        checked: the items of each.
        outcomes: of all their good items, one job's behind the other's.
        late: warnings, each with the place of its item among these as its index.
        most_bytes: of an item whose text is kept.
    """
    starts = list(accumulate((len(part.good) for part in checked), initial=0))

    def owner(place: int) -> tuple[Checked, int]:
        """Return the job of a good item, and the item's index in it."""
        number = bisect_right(starts, place) - 1
        return checked[number], checked[number].indexes[place - starts[number]]

    for place, refusal in outcomes.refusals.items():
        part, index = owner(place)
        part.errors.append(ItemError(index, *refusal))
    for warning in late:
        part, index = owner(warning.index)
        part.warnings.append(replace(warning, index=index))
    return [
        _share(claim, part, outcomes.effects[start:end], outcomes.ids[start:end], most_bytes=most_bytes)
        for claim, part, (start, end) in zip(group, checked, pairwise(starts), strict=True)
    ]


def _share(
    claim: Claim, checked: Checked, effects: Sequence[Effect], ids: Sequence[bytes], *, most_bytes: int
) -> Share:
    line_of, place_of = checked.sent.lines, _places(claim.block, checked.sent)
    errors = [
        replace(
            error,
            item=kept_text(checked.sent, place_of(error.index), most_bytes=most_bytes),
            patched=place_of(error.index) in checked.sent.patched,
        )
        for error in sorted(checked.errors, key=_INDEX)
    ]
    refused = {error.index for error in errors}
    warnings = sorted((warning for warning in checked.warnings if warning.index not in refused), key=_INDEX)
    if line_of is not None:
        errors = [replace(error, line=line_of[place_of(error.index)]) for error in errors]
        warnings = [replace(warning, line=line_of[place_of(warning.index)]) for warning in warnings]
    counts = Counter(effects)
    counts[Effect.FAILED] = len(errors)
    results = _results(claim, checked, effects, ids) if keeps_results(claim.job) else None
    return Share(BlockOutcome(claim.job.id, claim.block.no, counts, results), errors, warnings)


def _results(claim: Claim, checked: Checked, effects: Sequence[Effect], ids: Sequence[bytes]) -> Results:
    """Return the results to keep: those of accepted items. Rows that were not written have no ids that will hold."""
    taken = [place for place, effect in enumerate(effects) if effect is not Effect.FAILED]
    indexes = [checked.indexes[place] for place in taken]
    known = ids if not claim.job.options.validate_only else ()
    return Results(
        indexes,
        [effects[place] for place in taken],
        [known[place] for place in taken] if known else [],
        _lines_of(claim.block, checked.sent, indexes),
    )


def _places(block: OpenBlock, sent: Items) -> Callable[[int], int]:
    """Return a function that tells the place of an index in a block."""
    if sent.indexes is None:
        return lambda index: index - block.first_index
    return {index: place for place, index in enumerate(sent.indexes)}.__getitem__


def _lines_of(block: OpenBlock, sent: Items, indexes: Sequence[int]) -> Sequence[int]:
    """Return the lines of these items; none if they follow from their indexes, or there are none."""
    lines = sent.lines
    if lines is None:
        return ()
    if sent.indexes is None and (block.first_line is None or lines[-1] - block.first_line == len(lines) - 1):
        return ()
    place_of = _places(block, sent)
    return [lines[place_of(index)] for index in indexes]
