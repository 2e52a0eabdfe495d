"""The wishes of a person for a load, as options say them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from sluice_client.cli.parameters import Limit, columns_of, named_encoding
from sluice_client.cli.reading import Reading
from sluice_client.cli.sources import STANDARD_INPUT, Form
from sluice_client.cutting import LINES


@dataclass(frozen=True)
class Wishes:
    """All that a person says of a load, but for its files.

    Attributes:
        kind: of the items; None where each source tells its own.
        format: of all sources; None where each tells its own.
        delimiter: of CSV, likewise.
        type: of the rows that name none; of states, their key.
        reading: the way to read each source, whose form is filled in.
        options: of each batch, as BatchOptions has them.
        max_errors: more failed items end the load.
        part_bytes: of a part.
        parts_at_once: that are sent at the same time.
        resume: True goes on with earlier loads, False begins anew, None asks.
        follow: wait for the jobs.
        journals: the folder of journals, as `Journal` takes it.
        of_csv: the options that were said, and are of CSV alone.
    """

    kind: str | None = None
    format: str | None = None
    delimiter: str | None = None
    type: str | None = None
    reading: Reading = field(default_factory=lambda: Reading(Form(LINES)))
    options: dict[str, Any] = field(default_factory=dict)
    max_errors: Limit | None = None
    part_bytes: int = 8 * 1024**2
    parts_at_once: int = 2
    resume: bool | None = None
    follow: bool = True
    journals: Path | None = None
    of_csv: tuple[str, ...] = ()


def wishes_of(said: dict[str, Any]) -> Wishes:
    """Return what a person says of a load by options.

    Raises:
        BadParameter: an option has no value that it can have.
    """
    reading = Reading(
        Form(LINES),
        encoding=named_encoding(said["encoding"]),
        columns=columns_of(said["mapped"], said["map_file"]),
        null=said["null"],
        decimal_comma=frozenset() if said["decimal_comma"] else None,
        date_format=said["date_format"],
        records=said["stop_after"],
    )
    options = {
        "mode": said["mode"],
        "label": said["label"],
        "ordered": said["ordered"],
        "atomic": said["atomic"] or None,
        "validate_only": said["dry_run"] or None,
    }
    return Wishes(
        kind=said["kind"],
        format=said["format_"],
        delimiter={"\t": "tab", "\\t": "tab"}.get(said["delimiter"], said["delimiter"]),
        type=said["type_"],
        reading=reading,
        options={name: value for name, value in options.items() if value is not None},
        max_errors=said["max_errors"],
        part_bytes=said["segment"],
        parts_at_once=said["concurrency"],
        resume=said["resume"],
        follow=said["follow"],
        journals=said["journals"],
        of_csv=tuple(name for name, is_said in _of_csv(said) if is_said),
    )


def _of_csv(said: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the options that are of CSV alone, each with whether it was said."""
    yield "--map", bool(said["mapped"])
    yield "--map-file", said["map_file"] is not None
    yield "--delimiter", said["delimiter"] is not None
    yield "--decimal-comma", said["decimal_comma"]
    yield "--date-format", said["date_format"] is not None
    yield "--null", said["null"] is not None
    yield "--errors-format csv", said["errors_format"] == "csv"


def check_together(said: dict[str, Any]) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: two do.
    """
    csv = said["errors_format"] == "csv"
    named, leaves = said["errors_file"], not said["follow"]
    streams, several = str(STANDARD_INPUT) in said["files"], len(said["files"]) > 1
    percent = said["max_errors"] is not None and said["max_errors"].percent
    refusals = [
        (said["as_json"] and named == "-", "--json and --errors - both write on standard output"),
        (
            leaves and named is not None,
            "--no-follow leaves before any item has failed, so --errors keeps nothing",
        ),
        (
            leaves and percent,
            "--no-follow leaves before any item has failed: say --max-errors N",
        ),
        (said["errors_safe_for_excel"] and not csv, "--errors-safe-for-excel is for --errors-format csv"),
        (
            named is not None and csv and several,
            "--errors FILE takes the CSV of one file; leave it out",
        ),
        (streams and said["atomic"], "--atomic is for files: standard input becomes several jobs"),
        (streams and csv, "--errors-format csv is for files: standard input becomes several jobs"),
    ]
    for applies, refusal in refusals:
        if applies:
            raise click.UsageError(refusal)
