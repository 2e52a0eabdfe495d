"""The calls of the grid: its page, the one form of it, and the line that says who has edited how much."""

from collections import Counter
from functools import partial
from typing import Any, NamedTuple

from flask import Blueprint, Response, request

from app.console import access
from app.console.fix import changes, finding, grid, sending, wishes
from app.console.fix.changes import Done
from app.console.fix.opened import Opened, opened
from app.console.fix.wishes import Wish, path_of
from app.console.pages import BASE, page, query, to
from app.http import audit
from ingest.db.connection.pool import Connection, transaction
from ingest.db.jobs import drafts
from ingest.db.tenants.audit import Action
from ingest.errors import Forbidden, InvalidInput
from ingest.ids import JOB, spell
from ingest.rights import ADMIN, WRITE

bp = Blueprint("console_fix", __name__)

_MOST_DIGITS = 9

# The words of the page about a change that was made, by the name that the address has for it.
_TOLD = {
    "save": "Kept the edits of {n} rows.",
    "set": "Set a value in {n} rows.",
    "replace": "Replaced a text in {n} rows.",
    "rename": "Renamed a field in {n} rows.",
    "put": "Set a value in {n} rows.",
    "drop": "Dropped {n} rows: they stay failed, and are not sent.",
    "undo": "Took the edits of {n} rows back.",
    "check": "Checked {n} rows: all of them would be stored.",
    "bad": "Checked {n} rows: {left} of them would still be refused.",
}
_LEFT = " {left} others were left as they are: somebody has changed them meanwhile, or they cannot be edited here."


class _Place(NamedTuple):
    """The place of a page among the errors of its job.

    Attributes:
        group: the id of a group; empty: all errors.
        after: only items with a greater index.
    """

    group: str
    after: int

    @property
    def query(self) -> str:
        """As an address has it."""
        return query(group=self.group, after=self.after if self.after >= 0 else None)


@bp.get("/jobs/<text:job_id>/errors")
def show(job_id: str) -> Response:
    """Answer with a page of the grid."""
    return _page(opened(job_id), told=_told())


@bp.post("/jobs/<text:job_id>/errors")
@access.needs(WRITE)
def change(job_id: str) -> Response:
    """Keep the edited cells of a page, and do what its button says."""
    found = opened(job_id, to_change=True)
    wish = wishes.read()
    saved = changes.save(found, wish) if wish.cells else Done(0, 0)
    if wish.action == "reveal":
        return _page(found, revealed={_revealed(found, wish)})
    if question := _question(found, wish):
        fields = [(name, request.form[name]) for name in ("do", "tenant") if name in request.form]
        return page("confirm", question=question, word="Yes, do it", back=f"{BASE}{_address(found)}", fields=fields)
    if wish.action == "send":
        child_id = sending.send(found)
        return to(f"/jobs/{spell(JOB, child_id)}?said=sent")
    if wish.action == "check":
        checked = sending.check(found)
        told = "bad" if checked.bad else "check"
        return _back(found, told, Done(checked.good + checked.bad, checked.bad))
    if wish.action == "save":
        return _back(found, "save", saved)
    return _back(found, wish.action, _changed(found, wish))


@bp.get("/jobs/<text:job_id>/errors/marks")
def marks(job_id: str) -> Response:
    """Answer with the line that says who has edited how many rows."""
    found = opened(job_id)
    return page("_marks", marks=access.part(lambda conn: drafts.marks(conn, found.job.id)), **_names(found))


def _page(found: Opened, *, told: str = "", revealed: set[tuple[int, str]] | None = None) -> Response:
    place = _place()
    shown = access.part(partial(_look, found=found, place=place))
    if shown is None:
        return page("fix", too_slow=True, **_names(found))
    groups, indexes, after, rows, marked = shown
    columns = grid.columns_of(found.mending, rows)
    lines = list(grid.lines_of(found.mending, rows, columns, revealed or set()))
    return page(
        "fix",
        told=told,
        groups=groups,
        group=groups.named(place.group),
        place=place,
        columns=columns,
        lines=lines,
        offers=Counter(offer for line in lines if line.state != "dropped" for offer in line.offers).most_common(),
        count=len(indexes),
        next_query=None if after is None else place._replace(after=after).query,
        marks=marked,
        to_send=sum(mark.edited for mark in marked),
        **_names(found),
    )


def _look(conn: Connection, *, found: Opened, place: _Place) -> Any:
    groups = finding.groups(conn, found.job.id)
    indexes, after = finding.find(conn, found.job.id, group_id=place.group, after=place.after)
    shown = drafts.show(conn, found.job.id, indexes)
    # Errors without their items are for everybody.
    rows = [found.mending.row(item if found.hidden is None else item.without_texts()) for item in shown]
    return groups, indexes, after, rows, drafts.marks(conn, found.job.id)


def _names(found: Opened) -> dict[str, Any]:
    may_write = access.visitor().may(WRITE) and found.hidden is None
    return {
        "job": found.job,
        "address": f"/jobs/{found.name}/errors",
        "hidden": found.hidden,
        "may_write": may_write,
        "may_reveal": access.visitor().may(ADMIN),
    }


def _place() -> _Place:
    after = request.args.get("after", "")
    is_index = after.isascii() and after.isdigit() and len(after) <= _MOST_DIGITS
    return _Place(request.args.get("group", ""), int(after) if is_index else -1)


def _question(found: Opened, wish: Wish) -> str | None:
    """Return what to ask before a form is carried out; the script has asked already where it runs."""
    if request.form.get("confirmed"):
        return None
    if wish.action == "send":
        with transaction(access.lent()) as conn:
            count = sum(mark.edited for mark in drafts.marks(conn, found.job.id))
        return f"Send {count:,} edited {'row' if count == 1 else 'rows'} again, as a new job?" if count else None
    if wish.action == "drop" and not wish.arguments:
        return "Drop all these rows? They stay failed, and are not sent."
    return None


def _changed(found: Opened, wish: Wish) -> Done:
    match [wish.action, *wish.arguments]:
        case ["drop", int(index)]:
            return changes.change(found, [index], None)
        case ["undo", int(index)]:
            return changes.undo(found, [index])
        case ["drop"]:
            return changes.of_group(found, _place().group, None)
        case ["set"]:
            made = changes.set_to(path_of(request.form.get("path", "")), request.form.get("value", ""))
        case ["replace"]:
            path, old = path_of(request.form.get("path", "")), request.form.get("old", "")
            made = changes.replaced(path, old, request.form.get("new", ""))
        case ["rename", str(path), str(name)]:
            made = changes.renamed(path_of(path), name)
        case ["put", str(path), str(old), str(new)]:
            made = changes.replaced(path_of(path), old, new, whole=True)
        case _:
            raise InvalidInput("The form does not say what to do")
    return changes.of_group(found, _place().group, made)


def _revealed(found: Opened, wish: Wish) -> tuple[int, str]:
    """Return the cell that the visitor wants to see, once the audit log says so.

    Raises:
        Forbidden: the visitor has not the scope for it.
    """
    if not access.visitor().may(ADMIN):
        raise Forbidden("To see personal data a session needs the scope admin", ADMIN)
    match wish.arguments:
        case [int(index), str(pointer)]:
            with transaction(access.lent()) as conn:
                audit.record(conn, Action.ITEMS_READ, found.name, {"index": index, "field": pointer}, of_read=True)
            access.note("personal_data_revealed", job_id=found.name, index=index, field=pointer)
            return index, pointer
    raise InvalidInput("The form does not say what to show")


def _back(found: Opened, told: str, done: Done) -> Response:
    """Go back to the page that a form was on, which says what was done."""
    said = query(did=told, n=done.changed, left=done.left or None)
    address = _address(found)
    return to(f"{address}{'&' if '?' in address else '?'}{said}")


def _address(found: Opened) -> str:
    place = _place().query
    return f"/jobs/{found.name}/errors{'?' if place else ''}{place}"


def _told() -> str:
    """Return what the page says about the change before; the address names it, and cannot say anything else."""
    told, count, left = (request.args.get(name, "") for name in ("did", "n", "left"))
    numbers = [text for text in (count, left) if text]
    if told not in _TOLD or not all(text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS for text in numbers):
        return ""
    n, others = int(count or 0), int(left or 0)
    text = _TOLD[told].format(n=f"{n:,}", left=f"{others:,}")
    return text + (_LEFT.format(left=f"{others:,}") if others and told != "bad" else "")
