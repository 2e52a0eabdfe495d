"""Rows and cells as the template shows them: the fields of the items' types, required ones first."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.console.fix.masking import masked
from ingest.engine.cells import Path, shown
from ingest.engine.csv_types import type_of_cells
from ingest.engine.mending import Mending, Row
from ingest.engine.suggestions import Suggestion, suggestions
from ingest.intake.csv_header import NUMBER
from ingest.items.pointers import pointer

# A wider table is no grid that people could use; its items are corrected in the error file.
_MOST_COLUMNS = 40

_LONGEST_TEXT_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the grid.

    Attributes:
        path: of the member.
        required: an item must have it.
    """

    path: Path
    required: bool

    @property
    def title(self) -> str:
        """The name of the member."""
        return self.path[-1]

    @property
    def name(self) -> str:
        """The same for forms, as a JSON Pointer."""
        return pointer(self.path)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the grid.

    Attributes:
        name: of its field in the form.
        pointer: of the member.
        text: its value; empty where that is masked.
        mask: what it looks like, if it is personal data that are not shown.
        wrong: the error is about it.
        numeric: a keyboard of digits will do.
        lines: it has several.
    """

    name: str
    pointer: str
    title: str
    text: str
    mask: str
    wrong: bool
    numeric: bool
    lines: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the grid.

    Attributes:
        state: `failed`, `edited`, `checked`, `wrong`, `dropped` or `sent`.
        message: what is wrong with it; of the last check where there was one.
        text: in the place of cells, where it cannot be edited.
        why_text: the reason for that.
    """

    index: int
    line: int | None
    version: int
    state: str
    editor: str | None
    edited_at: datetime | None
    retried_in: UUID | None
    code: str
    message: str
    cells: Sequence[Cell]
    offers: Sequence[Suggestion]
    text: str
    why_text: str


def columns_of(mending: Mending, rows: Sequence[Row]) -> list[Column]:
    """Return the columns of a page: members that are required, then those that the types list, then any others."""
    names: dict[Path, bool] = {(name,): required for name, required in mending.members.items()}
    listed: dict[Path, bool] = {}
    others: dict[Path, bool] = {}
    for row in rows:
        rules = None if row.item is None else mending.rules(row.item)
        if rules is not None and mending.document is not None:
            listed |= {(mending.document, name): name in rules.required for name in rules.listed}
        others |= dict.fromkeys(mending.cells(row), False)
    found = {**names, **listed, **{path: False for path in others if path not in names and path not in listed}}
    faulty = {_path(mending, row) for row in rows}
    ordered = sorted(found, key=lambda path: (not found[path], path not in faulty))  # stable: the template's order
    return [Column(path, found[path]) for path in ordered[:_MOST_COLUMNS]]


def _path(mending: Mending, row: Row) -> Path | None:
    """Return the way to the cell that a row's error is about."""
    found = row.shown.found_field if row.shown.checked else row.shown.field
    if found is None:
        return None
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in found.split("/")[1:])
    return path[:2] if path[:1] == (mending.document,) and len(path) > 1 else path[:1]


def lines_of(
    mending: Mending, rows: Sequence[Row], columns: Sequence[Column], revealed: Collection[tuple[int, str]]
) -> Iterator[Line]:
    """Yield the rows of a page.

    Args:
        mending: the rules of their job.
        rows: the items.
        columns: of the page.
        revealed: personal data that the visitor has asked to see: indexes and JSON Pointers.
    """
    for row in rows:
        kept, cells = row.shown, mending.cells(row)
        is_checked = bool(kept.checked) and not kept.dropped
        yield Line(
            row.index,
            kept.line,
            kept.version,
            _state(row),
            kept.editor,
            kept.edited_at,
            kept.retried_in,
            (kept.found_code or "") if is_checked else kept.code,
            (kept.found_message or "") if is_checked else kept.message,
            [_cell(mending, row, cells, column, revealed) for column in columns] if row.is_mendable else (),
            _offers(mending, row, cells),
            "" if row.is_mendable else _text(mending, row),
            "" if row.is_mendable else _why_text(row),
        )


def _state(row: Row) -> str:
    kept = row.shown
    if kept.retried_in is not None:
        return "sent"
    if kept.version == 0:
        return "failed"
    if kept.dropped:
        return "dropped"
    if not kept.checked:
        return "edited"
    return "checked" if kept.found_code is None else "wrong"


def _cell(
    mending: Mending,
    row: Row,
    cells: Mapping[Path, bytes],
    column: Column,
    revealed: Collection[tuple[int, str]],
) -> Cell:
    text = shown(cells.get(column.path))
    item = row.item or {}
    definition = mending.definition(item, column.path)
    hides = bool(text) and mending.is_personal(item, column.path) and (row.index, column.name) not in revealed
    return Cell(
        name=f"c.{row.index}.{column.name}",
        pointer=column.name,
        title=column.title,
        text="" if hides else text,
        mask=masked(text) if hides else "",
        wrong=_path(mending, row) == column.path and _state(row) not in {"checked", "sent"},
        numeric=definition is not None and type_of_cells(definition) == NUMBER,
        lines="\n" in text or "\r" in text,
    )


def _offers(mending: Mending, row: Row, cells: Mapping[Path, bytes]) -> list[Suggestion]:
    if not row.is_mendable or row.item is None:
        return []
    found = suggestions(cells, mending.document, mending.schema.vocabulary, mending.rules(row.item))
    return [offer for offer in found if offer.value is None or not mending.is_personal(row.item, offer.path)]


def _text(mending: Mending, row: Row) -> str:
    if row.text is None:
        return ""
    if mending.sealer.seals or row.shown.sealed:
        return "•••"
    return row.text[:_LONGEST_TEXT_SHOWN].decode("utf-8", "replace")


def _why_text(row: Row) -> str:
    if row.shown.retried_in is not None:
        return ""
    if row.shown.too_long:
        return "This item is too long for the grid: correct it in a downloaded file."
    if row.text is None:
        return "The text of this item is not kept: it was too large, or was erased."
    return "This is no JSON object, or no row of the header: correct it in a downloaded file."
