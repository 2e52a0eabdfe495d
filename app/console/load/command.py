"""The line of `sluice load` that does the same as a form."""

import shlex
from collections.abc import Iterator

from app.console.load.looks import ARRAY, LINES
from app.console.load.plan import KEEP, Plan
from ingest.intake.mapped import Reading


def command_of(plan: Plan, reading: Reading | None, file_name: str) -> str:
    """Return the line, for a shell.

    Args:
        plan: what the form says.
        reading: of CSV.
        file_name: as the browser says it; its folder is not known.
    """
    return shlex.join(["sluice", "load", *_words(plan, reading), file_name or "FILE"])


def _words(plan: Plan, reading: Reading | None) -> Iterator[str]:
    said = {
        "--kind": plan.kind,
        "--type": plan.type_name,
        "--format": {LINES: "ndjson", ARRAY: "json"}.get(plan.form, ""),
        "--encoding": "" if plan.encoding == "utf-8" else plan.encoding,
        "--mode": "" if plan.mode == "replace" else plan.mode,
        "--delimiter": {",": "", "\t": "tab"}.get(plan.delimiter, plan.delimiter) if reading else "",
        "--date-format": reading.date_format if reading and reading.dates else "",
    }
    for option, value in said.items():
        if value:
            yield from (option, value)
    if reading is not None and reading.decimal_comma:
        yield "--decimal-comma"
    if reading is not None:
        yield from _maps(plan, reading)


def _maps(plan: Plan, reading: Reading) -> Iterator[str]:
    for place, title in enumerate(reading.titles):
        own, name = plan.titles[place], title + _suffix(reading, place, title)
        if name != own and plan.left_over.get(place) != KEEP:
            yield from ("--map", f"{name}={own}")


def _suffix(reading: Reading, place: int, title: str) -> str:
    """Return what says to the command that a column has dates; it knows by itself which have numbers."""
    if place in reading.dates and title != "timestamp":
        return ":datetime" if reading.dates[place] else ":date"
    return ""
