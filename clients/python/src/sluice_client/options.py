"""The options of a batch, as keyword arguments, and their spelling on the wire (docs/contracts/jobs.md section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, TypedDict, get_args, get_type_hints

HELD_SECONDS = 30  # the longest that the server holds an answer back: docs/contracts/jobs.md section 3

_WORDS = {str: "a text", int: "a whole number", bool: "True or False"}


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
        TypeError: there is no such option, or its value is of another type.
        ValueError: its value is none that it may have.
    """
    known = BatchOptions.__annotations__
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise TypeError(f"There is no option {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
    given = {name: _checked(name, value) for name, value in options.items() if value is not None}
    return {camel(name): value for name, value in given.items() if name != "strict"}


def _checked(name: str, value: Any) -> Any:
    """Return the value of an option, if it is of the option's type."""
    kind = _kinds()[name]
    choices = get_args(kind)  # of a Literal
    if choices:
        if value not in choices:
            raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}")
    elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        what = "a whole number of seconds" if name == "deadline" else _WORDS[kind]
        raise TypeError(f"{name} must be {what}, not {value!r}")
    return value


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(BatchOptions)


def prefer(options: Mapping[str, Any], wait: int | None = None) -> dict[str, str]:
    """Return the header Prefer.

    Args:
        options: of the batch.
        wait: seconds to wait for the end of the job, 0 for none.

    Raises:
        ValueError: the server does not hold an answer back for so long.
    """
    if wait is not None and not (type(wait) is int and 0 <= wait <= HELD_SECONDS):
        raise ValueError(
            f"wait must be a whole number of seconds from 0 to {HELD_SECONDS}, for which the server holds its answer "
            f"back, not {wait!r}; job.wait(timeout=...) waits for any time"
        )
    words = [] if wait is None else [f"wait={wait}"]
    if options.get("strict"):
        words.append("handling=strict")
    return {"Prefer": ", ".join(words)} if words else {}


def camel(name: str) -> str:
    """Return a name in camelCase."""
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))
