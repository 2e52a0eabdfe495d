"""The digits of a number are counted as Postgres writes them out, and no block takes much of its memory."""

import pytest

from ingest import json_screen
from ingest.db.connection.pool import Connection

_SIGNS, _WHOLES, _FRACTIONS = ["", "-"], ["0", "7", "120"], ["", ".0", ".05", ".500", ".0000000001"]
_POWERS = ["", "e0", "E5", "e+03", "e-2", "e-0012", "e999", "E-999"]


@pytest.mark.parametrize("sign", _SIGNS)
def test_the_length_of_a_number_is_that_of_postgres(conn: Connection, sign: str) -> None:
    numbers = [f"{sign}{whole}{rest}{power}" for whole in _WHOLES for rest in _FRACTIONS for power in _POWERS]
    query = "SELECT n, length(n::jsonb::text), n::numeric = 0 FROM unnest(%s::text[]) n"
    found = conn.execute(query, (numbers,)).fetchall()
    # Zero loses its sign.
    assert [json_screen._length(number.encode()) - (is_zero and sign == "-") for number, _, is_zero in found] == [
        length for _, length, _ in found
    ]
