"""Read what a form says of a file: its form, which column fills which field, and what becomes of all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.console.load.fields import KINDS_OF_FILES, Field, fields_of, vocabulary_of
from app.console.load.looks import CSV, DELIMITERS, FORMS
from ingest.errors import InvalidInput
from ingest.intake.mapped import DATE_FORMATS, ENCODINGS, Reading
from ingest.items.templates import Template

LEAVE, KEEP = "leave", "keep"

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
        decimal_comma: numbers have one.
        date_format: of dates; empty: they are as ISO 8601 has them.
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
    decimal_comma: bool
    date_format: str
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
            "columns": {field: self.titles[place] for field, place in self.columns.items()},
            "kept": [self.titles[place] for place, fate in self.left_over.items() if fate == KEEP],
            "left": [self.titles[place] for place, fate in self.left_over.items() if fate == LEAVE],
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
    type_name = form.get("type", "") if kind != "states" else ""  # a key of all rows is seldom
    return Plan(
        kind=kind,
        type_name=type_name if type_name in vocabulary_of(kind, template).names else "",
        form=_one_of(form.get("form", ""), FORMS, CSV),
        encoding=_one_of(form.get("encoding", ""), ENCODINGS, ENCODINGS[0]),
        delimiter="\t" if delimiter == "tab" else delimiter,
        titles=_titles(form.get("titles", "[]")),
        columns={name[2:]: int(place) for name, place in form.items() if name.startswith("f.") and place.isdigit()},
        left_over={
            int(name[5:]): fate
            for name, fate in form.items()
            if name.startswith("left.") and name[5:].isdigit() and fate in {LEAVE, KEEP}
        },
        decimal_comma=form.get("decimal") == "comma",
        date_format=_one_of(form.get("dates", ""), ("", *DATE_FORMATS), ""),
        mode=_one_of(form.get("mode", ""), ("replace", "merge"), "replace"),
    )


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
    if open_ones := [plan.titles[place] for place in left if place not in plan.left_over]:
        names = ", ".join(f'"{name}"' for name in open_ones[:_MOST_SHOWN])
        raise InvalidInput(f"Say what becomes of the columns that fill no field: {names}")
    for place in left:
        own = plan.titles[place]
        titles[place] = own if plan.left_over[place] == KEEP else f"{own}:ignore"
    filled = {place: fields[title] for title, place in plan.columns.items()}
    return Reading(
        [titles[place] for place in range(len(plan.titles))],
        _decimal_comma(titles, filled) if plan.decimal_comma else (),
        _dates(filled) if plan.date_format else {},
        plan.date_format,
    )


def _decimal_comma(titles: Mapping[int, str], filled: Mapping[int, Field]) -> list[int]:
    return [place for place, title in titles.items() if title.endswith(":number") or _is_numeric(filled.get(place))]


def _is_numeric(field: Field | None) -> bool:
    return field is not None and field.numeric


def _dates(filled: Mapping[int, Field]) -> dict[int, bool]:
    return {place: field.date for place, field in filled.items() if field.date is not None}


def _titles(text: str) -> list[str]:
    try:
        return _TITLES.decode(text)
    except msgspec.MsgspecError:
        raise InvalidInput("Look at the file first: the form does not say which columns it has") from None


def _one_of(text: str, words: Sequence[str], default: str) -> str:
    return text if text in words else default
