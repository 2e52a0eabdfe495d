"""Read what a form says of a file: its form, which column fills which field, and what becomes of all others."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.console.load.fields import KINDS_OF_FILES, fields_of, numbers_of, vocabulary_of
from app.console.load.looks import CSV, DELIMITERS, FORMS
from ingest.errors import InvalidInput
from ingest.intake.csv_header import BOOLEAN, JSON, NUMBER
from ingest.intake.mapped import DATE_FORMATS, ENCODINGS, Reading
from ingest.items.templates import Template

LEAVE, KEEP = "leave", "keep"

# The types of cells that a person can say; text is what they are else.
_SUFFIXES = (NUMBER, BOOLEAN, JSON)
_DATES = {"date": False, "datetime": True}  # each True if it must have a time
CELLS = (*_SUFFIXES, *_DATES)

_TITLES = msgspec.json.Decoder(list[str])
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """The way to load a file.

    Attributes:
        kind: of its items.
        type_name: their type, or key; empty: they say it themselves.
        form: of the file.
        encoding: by the name that Python has for it.
        delimiter: of CSV, one character.
        titles: of the columns of the sample that was looked at.
        columns: the place of a column, by the title of the field that it fills.
        left_over: what becomes of other columns, by their places: LEAVE or KEEP.
        names: the names of columns that are kept, by their places; others keep their own.
        types: of the cells of columns that have none by the template, by their places: one of CELLS.
        decimal_comma: numbers have one.
        date_format: of dates; empty: they are as ISO 8601 has them.
        null: cells of this text, and empty ones, are null; None: empty cells are left out.
        mode: `replace` or `merge`.
    """

    kind: str
    type_name: str
    form: str
    encoding: str
    delimiter: str
    titles: Sequence[str]
    columns: Mapping[str, int]
    left_over: Mapping[int, str]
    names: Mapping[int, str]
    types: Mapping[int, str]
    decimal_comma: bool
    date_format: str
    null: str | None
    mode: str

    def saved(self) -> dict[str, Any]:
        """Return what a saved mapping keeps of it."""
        return {
            "kind": self.kind,
            "type": self.type_name,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "decimalComma": self.decimal_comma,
            "dateFormat": self.date_format,
            "null": self.null,
            "mode": self.mode,
            "columns": {field: self.titles[place] for field, place in self.columns.items()},
            "kept": [self.titles[place] for place, fate in self.left_over.items() if fate == KEEP],
            "left": [self.titles[place] for place, fate in self.left_over.items() if fate == LEAVE],
            "names": {self.titles[place]: name for place, name in self.names.items()},
            "types": {self.titles[place]: of_cells for place, of_cells in self.types.items()},
        }


def plan_of(form: Mapping[str, str], template: Template) -> Plan:
    """Return what a form says, as far as it does.

    Args:
        form: its fields.
        template: of the tenant.

    Raises:
        InvalidInput: one of them is none of ours.
    """
    kind = _one_of(form.get("kind", ""), KINDS_OF_FILES, KINDS_OF_FILES[0])
    delimiter = _one_of(form.get("delimiter", ""), DELIMITERS, DELIMITERS[0])
    file_form = _one_of(form.get("form", ""), FORMS, CSV)
    type_name = form.get("type", "") if file_form == CSV else ""  # items of JSON have their own
    return Plan(
        kind=kind,
        type_name=type_name if type_name in vocabulary_of(kind, template).names else "",
        form=file_form,
        encoding=_one_of(form.get("encoding", ""), ENCODINGS, ENCODINGS[0]),
        delimiter="\t" if delimiter == "tab" else delimiter,
        titles=_titles(form.get("titles", "[]")),
        columns={name[2:]: int(place) for name, place in form.items() if name.startswith("f.") and place.isdecimal()},
        left_over={place: fate for place, fate in _of_places(form, "left.") if fate in {LEAVE, KEEP}},
        names={place: name.strip() for place, name in _of_places(form, "name.") if name.strip()},
        types={place: of_cells for place, of_cells in _of_places(form, "cells.") if of_cells in CELLS},
        decimal_comma=form.get("decimal") == "comma",
        date_format=_one_of(form.get("dates", ""), ("", *DATE_FORMATS), ""),
        null=form.get("null", "") if file_form == CSV and form.get("empty") == "null" else None,
        mode=_one_of(form.get("mode", ""), ("replace", "merge"), "replace"),
    )


def _of_places(form: Mapping[str, str], beginning: str) -> Iterator[tuple[int, str]]:
    """Yield what a form says of columns, by their places."""
    for name, value in form.items():
        place = name.removeprefix(beginning)
        if name.startswith(beginning) and place.isdecimal():
            yield int(place), value


def reading_of(plan: Plan, template: Template) -> Reading:
    """Return the way to read the cells of a file.

    Raises:
        InvalidInput: a column fills two fields, or nobody has said what becomes of one.
    """
    fields = {field.title: field for field in fields_of(plan.kind, template, plan.type_name)}
    titles: dict[int, str] = {}
    for title, place in plan.columns.items():
        if title not in fields or place >= len(plan.titles):
            raise InvalidInput(f"There is no field {title[:100]!r}, or no such column; look at the file again")
        if place in titles:
            raise InvalidInput(
                f'The column "{plan.titles[place]}" fills {titles[place]} and {title}; choose one of them'
            )
        titles[place] = title
    left = [place for place in range(len(plan.titles)) if place not in titles]
    kept = {plan.names.get(place, plan.titles[place]) for place in left if plan.left_over.get(place) == KEEP}
    if missing := [title for title, field in fields.items() if field.is_member and title not in {*plan.columns, *kept}]:
        raise InvalidInput(f"Say which column fills {' and '.join(missing)}")
    if open_ones := [plan.titles[place] for place in left if place not in plan.left_over]:
        names = ", ".join(f'"{name}"' if name else "the one without a name" for name in open_ones[:_MOST_SHOWN])
        raise InvalidInput(f"Say what becomes of the columns that fill no field: {names}")
    for place in left:
        is_kept = plan.left_over[place] == KEEP
        titles[place] = plan.names.get(place, plan.titles[place]) if is_kept else f"{plan.titles[place]}:ignore"
    filled = {place: fields[title] for title, place in plan.columns.items()}
    types = {
        place: of_cells
        for place, of_cells in plan.types.items()
        if (place in filled and not filled[place].typed) or plan.left_over.get(place) == KEEP
    }
    for place in types.keys() & titles.keys():
        if types[place] in _SUFFIXES:
            titles[place] += f":{types[place]}"
    dates = {place: field.date for place, field in filled.items() if field.date is not None}
    dates |= {place: _DATES[of_cells] for place, of_cells in types.items() if of_cells in _DATES}
    dates |= {place: True for place, title in titles.items() if title == "timestamp"}
    numbers = numbers_of(plan.kind, template, plan.type_name)
    return Reading(
        [titles[place] for place in range(len(plan.titles))],
        [place for place, title in titles.items() if _has_numbers(title, numbers)] if plan.decimal_comma else (),
        dates if plan.date_format else {},
        plan.date_format,
        plan.null or "",
    )


def _has_numbers(title: str, numbers: Collection[str]) -> bool:
    return title in numbers or title.endswith(f":{NUMBER}")


def _titles(text: str) -> list[str]:
    try:
        return _TITLES.decode(text)
    except msgspec.MsgspecError:
        raise InvalidInput("Look at the file first: the form does not say which columns it has") from None


def _one_of(text: str, words: Sequence[str], default: str) -> str:
    return text if text in words else default
