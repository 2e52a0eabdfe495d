"""The demonstration shows the figures of its jobs."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sluice_client import ItemError, JobInfo
from sluice_client.models import Effects

from cli.demo.screen import Bars, Outcome, outcomes_table, reasons_table

BEGUN = datetime(2026, 4, 6, 12, tzinfo=UTC)


def make_job(*, total=1000, processed=1000, ended=True, **effects):
    return JobInfo(
        id="job_0198c2a4",
        type="batch_ingest_events",
        status="completed" if ended else "processing",
        progress=100 * processed // total,
        total=total,
        processed=processed,
        effects=Effects(**effects),
        created_at=BEGUN,
        completed_at=BEGUN + timedelta(seconds=0.5) if ended else None,
        finished_in_seconds=0.5 if ended else None,
    )


def printed(thing, *, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return console.file.getvalue()


def missing(index, external_id, message=None):
    return ItemError(index, "NOT_FOUND", message or f"There is no entity {external_id!r}", external_id=external_id)


def test_the_table_sums_every_effect_and_leaves_out_those_that_no_job_had():
    first = Outcome("planes 1 of 2", make_job(created=1000), [])
    second = Outcome("planes 2 of 2", make_job(total=322, processed=322, created=320, failed=2), [])
    text = printed(outcomes_table([first, second]))
    assert "1,322" in text
    assert "1,320" in text
    assert "2,000" in text  # items a second of the first
    assert "duplicate" not in text


def test_bad_items_are_grouped_by_reason_however_many_ids_they_name():
    errors = [missing(index, f"N{index}AA") for index in range(10, 40)]
    errors.append(ItemError(40, "VALIDATION_FAILED", 'Missing required field: "externalId"'))
    text = printed(reasons_table([Outcome("flights", make_job(created=969, failed=31), errors)]))
    assert text.count("NOT_FOUND") == 1
    assert "30" in text
    assert "There is no entity 'N10AA'" in text
    assert "at 10 N10AA, 11 N11AA, 12 N12AA, …" in text
    assert re.search(r"at 40\s*$", text, re.MULTILINE)


def test_an_external_id_cannot_colour_the_screen():
    assert "[red]x" in printed(reasons_table([Outcome("x", make_job(failed=1), [missing(0, "[red]x", "no")])]))


def test_where_nothing_is_live_each_job_is_told_once_when_it_has_ended():
    console = Console(file=io.StringIO(), width=100)
    bars = Bars(console, ["flights"], [5000])
    with bars.shown():
        bars.update(0, make_job(total=5000, processed=2500, ended=False, created=2500))
        bars.update(0, make_job(total=5000, processed=5000, created=4000, failed=1000))
        bars.update(0, make_job(total=5000, processed=5000, created=4000, failed=1000))
    assert console.file.getvalue().strip() == "flights: 5,000 of 5,000 items, completed, 1,000 bad"


@pytest.mark.parametrize("processed", [0, 2500])
def test_a_terminal_sees_the_bar_move_while_the_job_runs(processed):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    bars = Bars(console, ["flights"], [5000])
    with bars.shown():
        bars.update(0, make_job(total=5000, processed=processed, ended=False, created=processed))
    text = console.file.getvalue()
    assert f"{processed // 50}%" in text
    assert "processing" in text
