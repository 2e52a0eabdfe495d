from datetime import UTC, datetime

from ingest.engine.outcomes import Outcomes, Refusal, all_refused, merge_outcomes
from ingest.jobs import Effect

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_outcomes_of_parts_stand_in_the_order_of_all_items() -> None:
    refusal = Refusal("b", "NOT_FOUND", 'Entity "b" does not exist')
    written = Outcomes([Effect.CREATED, Effect.UPDATED], ids=[b"2", b"0"], now=_NOW)
    assert merge_outcomes(3, [([1], all_refused(refusal)), ([2, 0], written)]) == Outcomes(
        [Effect.UPDATED, Effect.FAILED, Effect.CREATED], {1: refusal}, [b"0", b"", b"2"], _NOW
    )


def test_an_item_that_no_part_holds_is_unprocessed() -> None:
    assert merge_outcomes(2, [([1], Outcomes([Effect.CREATED]))]).effects == [Effect.UNPROCESSED, Effect.CREATED]
