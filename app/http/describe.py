"""Describe a view for the OpenAPI document, beside the view itself; the view takes the query parameters it lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

from flask import Response

from app.http import query
from app.http.query import Parameter
from ingest.errors import SluiceError
from ingest.rights import READ, WRITE

_View = TypeVar("_View", bound=Callable[..., Any])

# Answers a repeat of a request: from the first one's Answer (`ingest.db.tenants.idempotency`), the body, and the
# arguments of the path by their names.
Repeat: TypeAlias = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Description:
    """One call.

    Attributes:
        summary: a line for people.
        operation: the name of the call in generated clients; once published, it stays.
        answers: status of success to the name of the shape that comes with it.
        empty: statuses of answers without a body, each with its reason.
        faults: classes of errors that it raises, beside those that every call, every call with a body, every call about
            a job, or every call that may be repeated raises (`app.openapi.refusals`).
        body: the name of the shape that the call takes; None where it takes no body.
        lines: the items of the body may come as lines instead, and compressed; without a `body`, they must.
        csv: likewise as rows of CSV.
        path: the schemas of arguments of the path that are no ids of any kind.
        query: query parameters that the call takes.
        headers: request headers that the call looks at, each with what it may be.
        brings_data: it needs room on the database's disk, if it writes at all.
        repeat: answers a repeat under the same `Idempotency-Key`; None where the call takes none.
        media: of answers of success; those that are no JSON are texts, and in no envelope.
        bare: answers of success are the shape itself, in no envelope.
        public: needs no key, and belongs to no API.
        scope: that its caller's key must have (`ingest.rights`), or ANY; empty: `read` to read, `write` for the rest.
    """

    summary: str
    operation: str
    answers: Mapping[int, str]
    empty: Mapping[int, str] = field(default_factory=dict)
    faults: tuple[type[SluiceError], ...] = ()
    body: str | None = None
    lines: bool = False
    csv: bool = False
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    query: Sequence[Parameter] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    brings_data: bool = True
    repeat: Repeat | None = None
    media: str = "application/json"
    bare: bool = False
    public: bool = False
    scope: str = ""


def describe(summary: str, **details: Any) -> Callable[[_View], _View]:
    """Say of a view what `app.openapi.docs` shows, and refuse other queries; see Description for the details.

    The view looks at its query after the caller was let in and counted, as at everything else that the client sent.
    """
    description = Description(summary, **details)
    for fault in description.faults:
        if not (isinstance(fault, type) and issubclass(fault, SluiceError)):
            raise TypeError(
                f"{description.operation}: name in `faults` the classes of the errors that the call raises, as in "
                f"faults=(NotFound, WrongState), since a status may have several codes; {fault!r} is no such class"
            )
    known = [parameter.name for parameter in description.query]

    def mark(view: _View) -> _View:
        @wraps(view)
        def checked(**arguments: str) -> Any:
            # Load balancers and browsers ask for what needs no key, and add parameters of their own.
            if not description.public:
                query.check(known)
            return view(**arguments)

        _DESCRIPTIONS[checked] = description
        return cast(_View, checked)

    return mark


def description_of(view: Callable[..., Any]) -> Description | None:
    """Return the description of a view; None if it has none."""
    return _DESCRIPTIONS.get(view)


def scope_of(description: Description | None, method: str) -> str:
    """Return the scope that a key must have for a call by this method, or ANY."""
    named = description.scope if description else ""
    return named or (READ if method in {"GET", "HEAD"} else WRITE)


_DESCRIPTIONS: dict[Callable[..., Any], Description] = {}
