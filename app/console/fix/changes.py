"""Edit items: the cells of a page, or all items of a group at once, in bounded steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from app.console import access
from app.console.fix import finding
from app.console.fix.opened import Opened
from app.console.fix.wishes import Wish
from app.http.auth import caller
from ingest.db.connection.pool import transaction
from ingest.db.jobs import drafts
from ingest.db.jobs.drafts import Draft
from ingest.engine.cells import Path, difference, shown, typed, with_value
from ingest.engine.mending import Mending, Row
from ingest.errors import LimitReached

_ROWS_A_STEP = 500

# Another change may come first a few times, and then it is told.
_TRIES = 3

# Makes another item of one; None where it is to stay as it is.
Change = Callable[[Mending, Row], Mapping[str, Any] | None]


class Done(NamedTuple):
    """The result of a change.

    Attributes:
        changed: how many items it has changed.
        left: how many it has not: others have changed them meanwhile, or they cannot be edited.
    """

    changed: int
    left: int


def editor() -> str:
    """Return the name that others see beside the edits of this visitor."""
    return access.visitor().user_name or caller().key_label or "a key"


def save(opened: Opened, wish: Wish) -> Done:
    """Keep the cells of a page that were edited. What others have changed since the page was made is left as it is."""

    def made(mending: Mending, row: Row) -> Mapping[str, Any] | None:
        item: Mapping[str, Any] = row.item or {}
        for path, text in wish.cells[row.index].items():
            item = _typed_in(mending, row, item, path, text)
        return item

    seen = {index: wish.versions.get(index, 0) for index in wish.cells}
    return change(opened, list(wish.cells), made, seen=seen)


def _typed_in(mending: Mending, row: Row, item: Mapping[str, Any], path: Path, text: str) -> Mapping[str, Any]:
    before = mending.cells(row).get(path)
    was = shown(before)
    # A browser has one spelling of line ends, and an empty cell may be one that is masked.
    if text == was.replace("\r\n", "\n").replace("\r", "\n") or (not text and mending.is_personal(item, path)):
        return item
    return with_value(item, path, typed(text, mending.definition(item, path), before))


def set_to(path: Path, text: str) -> Change:
    """Return the change that gives a member a value."""

    def made(mending: Mending, row: Row) -> Mapping[str, Any]:
        item = row.item or {}
        return with_value(item, path, typed(text, mending.definition(item, path), mending.cells(row).get(path)))

    return made


def replaced(path: Path, old: str, new: str, *, whole: bool = False) -> Change:
    """Return the change that replaces a text within the values of a member, or such values alone."""

    def made(mending: Mending, row: Row) -> Mapping[str, Any] | None:
        was = shown(mending.cells(row).get(path))
        if not old or (was != old if whole else old not in was):
            return None
        return set_to(path, was.replace(old, new))(mending, row)

    return made


def renamed(path: Path, name: str) -> Change:
    """Return the change that gives a member another name, unless there is one of that name."""

    def made(mending: Mending, row: Row) -> Mapping[str, Any] | None:
        cells, other = mending.cells(row), (*path[:-1], name)
        if path not in cells or other in cells:
            return None
        return with_value(with_value(row.item or {}, path, None), other, cells[path])

    return made


def of_group(opened: Opened, group_id: str, made: Change | None) -> Done:
    """Change all items of a group; without a change, drop them.

    Raises:
        LimitReached: the job has too many edited items.
    """
    with transaction(access.lent()) as conn:
        indexes = list(islice(finding.all_of(conn, opened.job.id, group_id=group_id), drafts.MOST + 1))
    done = change(opened, indexes[: drafts.MOST], made)
    access.note("items_edited", done.changed, job_id=opened.name)
    return done._replace(left=done.left + len(indexes[drafts.MOST :]))


def change(
    opened: Opened, indexes: Sequence[int], made: Change | None, *, seen: Mapping[int, int] | None = None
) -> Done:
    """Change items of a job, a step at a time.

    Args:
        opened: the job.
        indexes: of the items.
        made: the change of each; None: they are dropped.
        seen: the versions of their drafts that the change was made of; None: any.

    Raises:
        LimitReached: the job has too many edited items.
    """
    count = left = 0
    for start in range(0, len(indexes), _ROWS_A_STEP):
        done = _step(opened, indexes[start : start + _ROWS_A_STEP], made, seen)
        count, left = count + done.changed, left + done.left
    return Done(count, left)


def _step(opened: Opened, indexes: Sequence[int], made: Change | None, seen: Mapping[int, int] | None) -> Done:
    mending, job, count, left = opened.mending, opened.job, 0, 0
    for _ in range(_TRIES):
        with transaction(access.lent()) as conn:
            rows = [mending.row(shown) for shown in drafts.show(conn, job.id, indexes)]
            wanted = list(_wanted(mending, rows, made))
            stale = [draft for draft in wanted if seen is not None and draft.version != seen.get(draft.index, 0)]
            fresh = [draft for draft in wanted if draft not in stale]
            _check_room(sum(mark.edited + mark.dropped for mark in drafts.marks(conn, job.id)), fresh)
            stored = drafts.store(conn, job.tenant_id, job.id, fresh, editor=editor()) if fresh else set()
        count += len(stored)
        left += len(stale) + sum(not row.is_mendable for row in rows)
        indexes = [draft.index for draft in fresh if draft.index not in stored]
        if not indexes:
            break
    return Done(count, left + len(indexes))


def _wanted(mending: Mending, rows: Sequence[Row], made: Change | None) -> Iterator[Draft]:
    for row in rows:
        if not row.is_mendable or row.item is None:
            continue
        if made is None:
            if not row.shown.dropped:
                yield mending.draft(row, row.item, dropped=True)
        elif not row.shown.dropped and (item := made(mending, row)) is not None and difference(row.item, item):
            yield mending.draft(row, item)


def _check_room(held: int, fresh: Sequence[Draft]) -> None:
    if held + sum(draft.version == 0 for draft in fresh) > drafts.MOST:
        raise LimitReached(
            f"{held:,} items of this job are edited and not sent; the most is {drafts.MOST:,}. Send them, and go on"
        )


def undo(opened: Opened, indexes: Sequence[int]) -> Done:
    """Forget the edits of items."""
    with transaction(access.lent()) as conn:
        return Done(drafts.delete(conn, opened.job.id, indexes), 0)
