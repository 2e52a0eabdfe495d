"""The common facts of each API's calls, for the document."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.routing import Rule

from app import public
from app.http.errors import STATUS
from ingest.errors import FaultyBody, InvalidInput, InvalidParameter, SluiceError, TooLarge, WriteRefused

_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Api:
    """The common facts of an API's calls.

    Attributes:
        name: of its document, and of the API in generated texts.
        title: for people.
        bases: where the same calls are served; the document shows them below the first, since generated clients look at
            a path alone.
        keys: names of security schemes, of which one will do.
        bad_body: the error of a body that is not of the call's shape.
        failure: the name of the shape of errors.
        failures: of those of some statuses, where it is another one.
        of_places: its errors that name places in body or query have a status of their own.
        takes_keys: a repeat under the same `Idempotency-Key` has the answer of the first.
        tag: of all of its calls; None where each has that of its noun.
    """

    name: str
    title: str
    bases: tuple[str, ...]
    keys: tuple[str, ...]
    bad_body: type[SluiceError]
    failure: str
    failures: Mapping[int, str] = field(default_factory=dict)
    of_places: bool = False
    takes_keys: bool = False
    tag: str | None = None

    def status(self, error: type[SluiceError]) -> int:
        """Return the status of an error of ours in the answers of this API."""
        names_place = issubclass(error, InvalidParameter | WriteRefused) and not issubclass(error, TooLarge)
        return _UNPROCESSABLE if self.of_places and names_place else STATUS[error]


OPERATOR = Api(
    name="operator",
    title="Operator API",
    bases=("", "/functions/v1"),
    keys=("key",),
    bad_body=InvalidInput,
    failure="Failure",
    takes_keys=True,
)
PUBLIC = Api(
    name="public",
    title="Public API",
    bases=public.BASES,
    keys=("key", "header"),
    bad_body=FaultyBody,
    failure="Detail",
    failures={_UNPROCESSABLE: "FaultyBody"},
    of_places=True,
    tag="public",
)
APIS = (OPERATOR, PUBLIC)


def api_of(rule: Rule) -> tuple[Api, str]:
    """Return the API that a call belongs to, and the base under which this rule serves it."""
    # The operator API's first base is empty, so any path may begin with it.
    for api in (PUBLIC, OPERATOR):
        for base in sorted(api.bases, key=len, reverse=True):
            if rule.rule.startswith(f"{base}/"):
                return api, base
    raise LookupError(rule.rule)
