"""The parameters of a batch, which a batch call takes in its query (docs/contracts/jobs.md section 1)."""

from collections.abc import Mapping
from typing import Any

from app.batches import BatchOptions
from app.http import query
from app.http.query import Parameter
from app.operator.entities import MODE
from ingest.errors import InvalidInput
from ingest.jobs import JobOptions

_LONGEST_LABEL = 200
_MOST_ERRORS = 999_999_999
_LONGEST_DEADLINE_SECONDS = 604_800  # a week

_ORDERED = query.Flag(
    name="ordered",
    default=True,
    text="true: after the tenant's earlier jobs, items in their order; false: at once, in any order",
)
_AFTER = query.Text(name="after", text="a job that must complete before this one begins, as in job_…")
_AFTER_ANY = query.Flag(
    name="afterAny",
    default=False,
    text="true: this one begins whatever became of that job; false: it fails unless that completed",
)
_LABEL = query.Text(name="label", most=_LONGEST_LABEL, text="your own name for the job, which it shows")

_MAX_ERRORS = query.Limit(
    name="maxErrors", least=0, most=_MOST_ERRORS, text="if more items fail, so does the job; looked at after each block"
)
_DEADLINE = query.Limit(
    name="deadline",
    least=1,
    most=_LONGEST_DEADLINE_SECONDS,
    text="if the job has not ended after so many seconds, it fails",
)

_ATOMIC = query.Flag(name="atomic", default=False, text="true: all items are written, in one transaction, or none")

_VALIDATE_ONLY = query.Flag(
    name="validateOnly", default=False, text="true: items are checked and their effects predicted; nothing is written"
)

_KEEP_RESULTS = query.Flag(
    name="keepResults",
    default=False,
    text="true: index, effect and id of each item can be read from the job afterwards",
)

# Of any kind; entities have MODE beside them.
PARAMETERS = (_ORDERED, _AFTER, _AFTER_ANY, _LABEL, _MAX_ERRORS, _DEADLINE, _ATOMIC, _VALIDATE_ONLY, _KEEP_RESULTS)


def parse(spelled: Mapping[str, str], *, strict: bool) -> BatchOptions:
    """Return what a request says of its batch.

    Args:
        spelled: the values of the parameters that it names, as a query spells them.
        strict: it prefers that members which an item should not have are errors.

    Raises:
        InvalidParameter: one of them is not what it may be.
    """
    of_few = JobOptions(
        label=_LABEL.parse(spelled.get(_LABEL.name)),
        max_errors=_MAX_ERRORS.parse(spelled.get(_MAX_ERRORS.name)),
        deadline_seconds=_DEADLINE.parse(spelled.get(_DEADLINE.name)),
        atomic=_ATOMIC.parse(spelled.get(_ATOMIC.name)),
        validate_only=_VALIDATE_ONLY.parse(spelled.get(_VALIDATE_ONLY.name)),
        keep_results=_KEEP_RESULTS.parse(spelled.get(_KEEP_RESULTS.name)) or None,
    )
    return BatchOptions(
        merge=MODE.parse(spelled.get(MODE.name)) == "merge",
        strict=strict,
        after=_AFTER.parse(spelled.get(_AFTER.name)),
        after_any=_AFTER_ANY.parse(spelled.get(_AFTER_ANY.name)),
        ordered=_ORDERED.parse(spelled.get(_ORDERED.name)),
        of_few=of_few,
    )


_TYPES: Mapping[str, type] = {"string": str, "boolean": bool, "integer": int}


def spell(members: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Return what a JSON object says of a batch, as a query spells it.

    Args:
        members: those of the object that are parameters.
        parameters: all that it may name, by their names.

    Raises:
        InvalidInput: a value is of another JSON type than its parameter.
    """
    texts = {}
    for name, value in members.items():
        wanted = str(parameters[name].schema["type"])
        if type(value) is not _TYPES[wanted]:
            raise InvalidInput(f"{name}: Not a valid {wanted}")
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts
