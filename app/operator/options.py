"""The parameters of a batch, which a batch call takes in its query (docs/contracts/jobs.md section 1)."""

from collections.abc import Mapping
from typing import Any

from app.batches import BatchOptions
from app.http import query
from app.http.auth import caller
from app.http.query import Parameter
from app.http.services import services
from app.operator.entities import MODE
from ingest.engine import webhooks
from ingest.engine.kinds import KINDS
from ingest.errors import InvalidInput, InvalidParameter, WrongUrl
from ingest.intake.csv_header import CONSTANTS
from ingest.items.schema import required_members
from ingest.jobs import LONGEST_LABEL, Callback, CsvFormat, JobOptions
from ingest.webhooks import urls

_COMMA = ","
_NO_DELIMITER = {'"', "\r", "\n", "\0"}
_LONGEST_NAME = 200  # of a type or a key: ingest/items/fields.py
_MOST_ERRORS = 999_999_999
_LONGEST_DEADLINE_SECONDS = 604_800  # a week


class _Delimiter(Parameter):
    """The character between the cells of CSV."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """Its values."""
        return {"type": "string", "pattern": r'^([^"\r\n\0]|tab)$', "default": _COMMA}

    def parse(self, text: str | None) -> str:
        """As of Parameter: one character that neither quotes nor ends anything."""
        delimiter = _COMMA if text is None else "\t" if text == "tab" else text
        if len(delimiter) != 1 or delimiter in _NO_DELIMITER:
            message = f"{self.name} must be one character, neither a quote nor a line end nor NUL, or tab"
            raise InvalidParameter(self.name, message)
        return delimiter


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
_LABEL = query.Text(name="label", most=LONGEST_LABEL, text="your own name for the job, which it shows")

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

_CALLBACK = query.Text(
    name="callback",
    most=urls.LONGEST,
    text="a URL that is told of the job's end, as a webhook is; the answer has its callbackSecret, this once",
)

_KEEP_RESULTS = query.Flag(
    name="keepResults",
    default=False,
    text="true: index, effect and id of each item can be read from the job afterwards",
)

_EMPTY = query.Choice(
    name="empty",
    words=("absent", "null", "string"),
    text="CSV: what an empty cell means: that the member is absent, null, or a text without characters",
)
_DELIMITER = _Delimiter(name="delimiter", text="CSV: what is between cells: one character, or `tab`")
_CONSTANTS = {
    name: query.Text(name=name, most=_LONGEST_NAME, text=f"CSV: the {name} of all rows, which then have no such column")
    for name in CONSTANTS
}
_OF_CSV = (_EMPTY, _DELIMITER, *_CONSTANTS.values())

# Of any kind and any body; entities have MODE beside them.
PARAMETERS = (
    _ORDERED,
    _AFTER,
    _AFTER_ANY,
    _LABEL,
    _MAX_ERRORS,
    _DEADLINE,
    _ATOMIC,
    _VALIDATE_ONLY,
    _KEEP_RESULTS,
    _CALLBACK,
)


def of_kind(kind: str) -> tuple[Parameter, ...]:
    """Return the parameters of a kind's batch call."""
    needed = required_members(KINDS[kind].schema)
    own = tuple(parameter for name, parameter in _CONSTANTS.items() if name in needed)
    return ((MODE,) if kind == "entities" else ()) + (*PARAMETERS, _EMPTY, _DELIMITER, *own)


def parse(spelled: Mapping[str, str], *, strict: bool, csv: bool = False) -> BatchOptions:
    """Return what a request says of its batch.

    Args:
        spelled: the values of the parameters that it names, as a query spells them.
        strict: it prefers that members which an item should not have are errors.
        csv: the body is CSV.

    Raises:
        InvalidParameter: one of them is not what it may be.
        MasterKeyMissing: it has a callback, and there is no key to encrypt its secret with.
    """
    if not csv:
        _refuse_csv(spelled)
    made = _callback(spelled)
    of_few = JobOptions(
        label=_LABEL.parse(spelled.get(_LABEL.name)),
        max_errors=_MAX_ERRORS.parse(spelled.get(_MAX_ERRORS.name)),
        deadline_seconds=_DEADLINE.parse(spelled.get(_DEADLINE.name)),
        atomic=_ATOMIC.parse(spelled.get(_ATOMIC.name)),
        validate_only=_VALIDATE_ONLY.parse(spelled.get(_VALIDATE_ONLY.name)),
        keep_results=_KEEP_RESULTS.parse(spelled.get(_KEEP_RESULTS.name)) or None,
        csv=_csv(spelled) if csv else None,
        callback=None if made is None else made[0],
    )
    return BatchOptions(
        merge=MODE.parse(spelled.get(MODE.name)) == "merge",
        strict=strict,
        after=_AFTER.parse(spelled.get(_AFTER.name)),
        after_any=_AFTER_ANY.parse(spelled.get(_AFTER_ANY.name)),
        ordered=_ORDERED.parse(spelled.get(_ORDERED.name)),
        of_few=of_few,
        callback_secret=None if made is None else made[1],
    )


def _callback(spelled: Mapping[str, str]) -> tuple[Callback, str] | None:
    """Return the callback that a request wants, and its secret."""
    url = _CALLBACK.parse(spelled.get(_CALLBACK.name))
    if url is None:
        return None
    allow_private = services().settings.webhook_allow_private
    try:
        return webhooks.callback(services().master_keys, caller().tenant_id, url, allow_private=allow_private)
    except WrongUrl as error:
        raise InvalidParameter(_CALLBACK.name, f"{_CALLBACK.name}: {error.message}") from None


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


def _csv(spelled: Mapping[str, str]) -> CsvFormat:
    constants = ((name, parameter.parse(spelled.get(name))) for name, parameter in _CONSTANTS.items())
    return CsvFormat(
        delimiter=_DELIMITER.parse(spelled.get(_DELIMITER.name)),
        empty=_EMPTY.parse(spelled.get(_EMPTY.name)),
        constants=tuple((name, text) for name, text in constants if text is not None),
    )


def _refuse_csv(spelled: Mapping[str, str]) -> None:
    for parameter in _OF_CSV:
        if parameter.name in spelled:
            raise InvalidParameter(
                parameter.name, f"{parameter.name} is for bodies of CSV; send the body as text/csv, or leave it out"
            )
