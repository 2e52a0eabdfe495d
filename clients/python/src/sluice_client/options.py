"""The options of a batch, as keyword arguments, and their spelling on the wire (docs/contracts/jobs.md section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypedDict

HELD_SECONDS = 30  # the longest that the server holds an answer back: docs/contracts/jobs.md section 3


class BatchOptions(TypedDict, total=False):
    """The options of a batch; for single jobs and for loads alike.

    Attributes:
        mode: of entities: `replace` their data (the default), or `merge` into it.
        label: the caller's own name for the job.
        ordered: False gives up the order of items and jobs for speed.
        after: the id of a job that must complete before this one begins.
        after_any: begin whatever became of that job.
        atomic: all items or none.
        max_errors: more failed items than that end the job.
        deadline: seconds after which the job fails if it has not ended.
        validate_only: check everything and write nothing.
        keep_results: keep index, effect and id of every item.
        callback: an https address that is told of the job's end.
        strict: members that an item should not have are errors.
        empty: of CSV: an empty cell is `absent`, `null` or a `string`.
        delimiter: of CSV: one character, or `tab`.
        entity_type: of CSV and of frames: of all rows; likewise `event_type` and `state_key`.
    """

    mode: Literal["replace", "merge"]
    label: str
    ordered: bool
    after: str
    after_any: bool
    atomic: bool
    max_errors: int
    deadline: int
    validate_only: bool
    keep_results: bool
    callback: str
    strict: bool
    empty: Literal["absent", "null", "string"]
    delimiter: str
    entity_type: str
    event_type: str
    state_key: str


def wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by their names on the wire, without `strict`, which is a header.

    Raises:
        TypeError: there is no such option.
    """
    known = BatchOptions.__annotations__
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise TypeError(f"There is no option {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
    return {camel(name): value for name, value in options.items() if name != "strict" and value is not None}


def prefer(options: Mapping[str, Any], wait: int | None = None) -> dict[str, str]:
    """Return the header Prefer.

    Args:
        options: of the batch.
        wait: seconds to wait for the end of the job, 0 for none.
    """
    words = [] if wait is None else [f"wait={wait}"]
    if options.get("strict"):
        words.append("handling=strict")
    return {"Prefer": ", ".join(words)} if words else {}


def camel(name: str) -> str:
    """Return a name in camelCase."""
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))
