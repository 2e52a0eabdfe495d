"""Every error code: its meaning, its cause, and what to do about it.

code                     the type of a code's page
answers, items, jobs     the pages

`docs/reference/errors.md` and the pages at `/docs/errors` are made of it, and the OpenAPI document links to these.
Tests hold it against the codes that the product answers with: tests/api/openapi/test_codes.py.
"""

from collections.abc import Mapping

from app.http.errors import HTTP_CODES, STATUS
from app.http.shapes import ERROR_PAGES
from app.openapi.codes import answers, items, jobs
from app.openapi.codes.code import Code
from ingest.errors import InvalidInput, SluiceError
from ingest.jobs import ITEM_ERROR_CODES, JOB_ERROR_CODES, WARNING_CODES

__all__ = ["CODES", "Code", "address", "places", "statuses"]

CODES: Mapping[str, Code] = {
    code.name: code for code in sorted([*answers.CODES, *items.CODES, *jobs.CODES], key=lambda code: code.name)
}

_TIMEOUT, _INTERNAL = 408, 500


def address(name: str) -> str:
    """Return the path of a code's page."""
    return f"{ERROR_PAGES}/{name}"


def statuses() -> Mapping[str, list[int]]:
    """Return the codes that answers have, each with its statuses."""
    pairs = {(error.code, status) for error, status in STATUS.items()}
    pairs |= {(name, status) for status, name in HTTP_CODES.items()}
    pairs |= {(InvalidInput.code, _TIMEOUT), (SluiceError.code, _INTERNAL)}
    return {name: sorted(status for code, status in pairs if code == name) for name, _ in sorted(pairs)}


def places(name: str) -> list[str]:
    """Return the places where a code stands, in words."""
    of_answers = statuses().get(name, [])
    elsewhere = {"an item error": ITEM_ERROR_CODES, "a warning": WARNING_CODES, "the `error` of a job": JOB_ERROR_CODES}
    return [
        *([f"an answer of status {' or '.join(map(str, of_answers))}"] if of_answers else []),
        *(place for place, codes in elsewhere.items() if name in codes),
    ]
