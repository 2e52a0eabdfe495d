"""The line of `sluice load` that does the same as a form."""

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from app.console.load.looks import ARRAY, CSV, LINES
from app.console.load.plan import Plan
from ingest.intake.mapped import Reading


def command_of(plan: Plan, reading: Reading | None, file_name: str) -> str:
    """Return the line, for a shell.

    Args:
        plan: what the form says.
        reading: of CSV.
        file_name: as the browser says it; its folder is not known.
    """
    name = f"./{file_name}" if file_name.startswith("-") else file_name or "FILE"
    return shlex.join(["sluice", "load", *_words(plan, reading, file_name), name])


def _words(plan: Plan, reading: Reading | None, file_name: str) -> Iterator[str]:
    said = {
        "--kind": plan.kind,
        "--type": plan.type_name,
        "--format": _format(plan.form, file_name),
        "--encoding": "" if plan.encoding == "utf-8" else plan.encoding,
        "--mode": plan.mode if plan.kind == "entities" and plan.mode != "replace" else "",
        "--delimiter": {",": "", "\t": "tab"}.get(plan.delimiter, plan.delimiter) if reading else "",
        "--date-format": reading.date_format if reading and reading.dates else "",
    }
    for option, value in said.items():
        if value:
            yield from (option, value)
    if reading is not None and reading.decimal_comma:
        yield "--decimal-comma"
    if plan.null is not None:
        yield from ("--null", plan.null)
    if reading is not None:
        yield from _maps(plan, reading)


def _format(form: str, file_name: str) -> str:
    """Return the form of a file as the command has it; empty for CSV whose name says so."""
    suffixes = [suffix.lower() for suffix in PurePath(file_name).suffixes]
    suffix = next((suffix for suffix in reversed(suffixes) if suffix not in {".gz", ".zst"}), "")
    return {LINES: "ndjson", ARRAY: "json"}.get(form, "" if suffix == ".csv" else CSV)


def _maps(plan: Plan, reading: Reading) -> Iterator[str]:
    for place, title in enumerate(reading.titles):
        own, name = plan.titles[place], title + _suffix(reading, place, title)
        if name != own:
            yield from ("--map", f"{name}={own}")


def _suffix(reading: Reading, place: int, title: str) -> str:
    """Return what says to the command that a column has dates; it knows by itself which have numbers."""
    if place in reading.dates and title != "timestamp":
        return ":datetime" if reading.dates[place] else ":date"
    return ""
