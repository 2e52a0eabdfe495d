"""Python values as exact JSON, and back."""

import dataclasses
import datetime as dt
import enum
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sluice_client.errors import UnsupportedValue
from sluice_client.values import decoder, encoder

NAN = float("nan")
AT = dt.datetime(2026, 4, 6, 12, tzinfo=dt.timezone.utc)


class Point(msgspec.Struct):
    x: Any


@dataclasses.dataclass
class Row:
    x: Any


class Model:
    """As pydantic's models are."""

    def model_dump(self):
        return {"x": 1}


class NAType:
    """As pandas' NA is."""


class Scalar:
    """As numpy's scalars are."""

    def tolist(self):
        return 7


class Shade(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("145.50"), b"145.50"),
        (12345678901234567890123456789012345678901, b"12345678901234567890123456789012345678901"),
        (AT, b'"2026-04-06T12:00:00Z"'),
        (dt.datetime(2026, 4, 6, tzinfo=dt.timezone(dt.timedelta(hours=2))), b'"2026-04-06T00:00:00+02:00"'),
        (dt.date(2026, 4, 6), b'"2026-04-06"'),
        ("2026-04-06T12:00:00", b'"2026-04-06T12:00:00"'),
        ("NaN", b'"NaN"'),
        (None, b"null"),
        ([None, (1, "a")], b'[null,[1,"a"]]'),
        (Point(1), b'{"x":1}'),
        (Point(None), b'{"x":null}'),
        (Row(None), b'{"x":null}'),
        (Model(), b'{"x":1}'),
        (Scalar(), b"7"),
        ([None, Scalar()], b"[null,7]"),
        (Shade.RED, b'"red"'),
    ],
)
def test_values_are_written_exactly(value, text):
    assert encoder("error")({"v": value}) == b'{"v":' + text + b"}"


@pytest.mark.parametrize("value", [NAN, Decimal("NaN"), NAType(), Point(NAN), Row(NAN), [1, {"deep": NAN}]])
def test_a_missing_number_is_refused_unless_a_policy_says_otherwise(value):
    with pytest.raises(UnsupportedValue, match=r"/data/v.*null_policy"):
        encoder("error")({"data": {"v": value}})


def test_the_policies_for_missing_numbers_send_null_or_leave_the_member_out():
    item = {"a": NAN, "b": None, "c": [NAN, 1]}
    assert encoder("null")(item) == b'{"a":null,"b":null,"c":[null,1]}'
    assert encoder("omit")(item) == b'{"b":null,"c":[null,1]}'
    with pytest.raises(ValueError, match="null_policy must be"):
        encoder("drop")


@pytest.mark.parametrize("value", [float("inf"), Decimal("-Infinity")])
def test_infinity_is_no_missing_number(value):
    with pytest.raises(UnsupportedValue, match="JSON has not"):
        encoder("omit")({"v": value})


@pytest.mark.parametrize("value", [dt.datetime(2026, 4, 6), dt.datetime(2026, 4, 6, 1, 2, 3, 4), dt.time(12, 30)])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused(value):
    with pytest.raises(UnsupportedValue, match=r"/v is a .* without a time zone"):
        encoder("error")({"v": value})


@pytest.mark.parametrize("value", [object(), 1 + 2j, "\ud800"])
def test_a_value_that_json_has_not_is_refused(value):
    with pytest.raises(UnsupportedValue):
        encoder("error")({"v": value})


def test_numbers_are_read_exactly_or_as_floats():
    text = b'{"v":145.50,"n":12345678901234567890123456789012345678901}'
    exact = decoder(dict[str, Any], "decimal").decode(text)
    assert (str(exact["v"]), exact["n"]) == ("145.50", 12345678901234567890123456789012345678901)
    assert decoder(dict[str, Any], "float").decode(text)["v"] == 145.5
