import inspect
import re
from datetime import UTC, datetime

import pytest

from ingest import errors
from ingest.errors import DatabaseError, RateLimited, SluiceError

_CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, SluiceError)]


def drawn() -> dict[str, str | None]:
    """Each class of the docstring's tree, and its parent there."""
    parents: dict[str, str | None] = {}
    line_of: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"((?:│   |    |├── |└── )*)([A-Z]\w+) {2}", line):
            depth = len(match[1]) // 4
            line_of[depth:] = [match[2]]
            parents[match[2]] = line_of[depth - 1] if depth else None
    return parents


def test_the_tree_that_is_drawn_is_the_tree_that_stands() -> None:
    stands = {one.__name__: None if one is SluiceError else one.__bases__[0].__name__ for one in _CLASSES}
    assert drawn() == stands


def test_every_class_has_a_public_code_in_capitals() -> None:
    assert all(re.fullmatch(r"[A-Z_]+", one.code) for one in _CLASSES)


@pytest.mark.parametrize(
    ("sqlstate", "constraint", "message"),
    [
        ("23505", "entities_external_id_key", "SQLSTATE 23505, constraint entities_external_id_key"),
        ("40P01", None, "SQLSTATE 40P01"),
        (None, None, "the driver gave up"),
    ],
)
def test_a_database_error_says_state_and_constraint(sqlstate: str | None, constraint: str | None, message: str) -> None:
    error = DatabaseError(sqlstate, constraint)
    assert error.message == str(error) == message
    assert (error.sqlstate, error.constraint) == (sqlstate, constraint)


def test_a_rate_limit_says_when_a_request_may_pass() -> None:
    reset_at = datetime(2026, 4, 6, 12, tzinfo=UTC)
    error = RateLimited("Too many", retry_after=3, reset_at=reset_at)
    assert (error.message, error.retry_after, error.reset_at) == ("Too many", 3, reset_at)
