"""Python values as exact JSON, and back."""

import dataclasses
import datetime as dt
import enum
import pathlib
import types
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
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


class Attrs:
    """As the classes of attrs are, which msgspec knows by this."""

    __attrs_attrs__ = (types.SimpleNamespace(name="x"),)

    def __init__(self, x):
        self.x = x


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
        (Attrs(1), b'{"x":1}'),
        (Shade.RED, b'"red"'),
        (uuid.UUID(int=7), b'"00000000-0000-0000-0000-000000000007"'),
        (pathlib.Path("a") / "b", b'"a/b"'),
        (dt.timedelta(days=1, seconds=3), b'"P1DT3S"'),
        (b"ab", b'"YWI="'),
        (Decimal("1E400"), b"1E+400"),
        (Decimal("-1E-400"), b"-1E-400"),
        (np.int64(7), b"7"),
        (np.float32(0.5), b"0.5"),
        (np.bool_(True), b"true"),  # of numpy, by position
        (np.array([[1, 2], [3, 4]]), b"[[1,2],[3,4]]"),
        (pa.scalar(Decimal("1.50")), b"1.50"),
        (pd.Timestamp("2026-04-06T12:00:00.123456789Z"), b'"2026-04-06T12:00:00.123456789+00:00"'),
        (pd.Timedelta(days=1), b'"P1D"'),
        ({AT: 1, uuid.UUID(int=7): 2}, b'{"2026-04-06T12:00:00Z":1,"00000000-0000-0000-0000-000000000007":2}'),
    ],
)
def test_values_are_written_exactly_alone_and_beside_missing_ones(value, text):
    assert encoder("error")({"v": value}) == b'{"v":' + text + b"}"
    assert encoder("error")({"v": value, "n": None}) == b'{"v":' + text + b',"n":null}'
    assert encoder("omit")({"v": [value], "n": NAN}) == b'{"v":[' + text + b"]}"
    assert encoder("null")(Row([value, NAN])) == b'{"x":[' + text + b",null]}"


@pytest.mark.parametrize(
    "value",
    [
        *(NAN, Decimal("NaN"), Decimal("sNaN"), np.float32("nan"), np.datetime64("NaT"), pd.NaT, pd.NA),
        *(Point(NAN), Row(NAN), Attrs(NAN), [1, {"deep": NAN}], np.array([1, NAN])),
    ],
)
def test_a_missing_number_is_refused_unless_a_policy_says_otherwise(value):
    with pytest.raises(UnsupportedValue, match=r"/data/v.*null_policy"):
        encoder("error")({"data": {"v": value}})


def test_the_policies_for_missing_numbers_send_null_or_leave_the_member_out():
    item = {"a": NAN, "b": None, "c": [NAN, 1]}
    assert encoder("null")(item) == b'{"a":null,"b":null,"c":[null,1]}'
    assert encoder("omit")(item) == b'{"b":null,"c":[null,1]}'
    assert encoder("omit")(NAN) == b"null"
    with pytest.raises(ValueError, match="null_policy must be"):
        encoder("drop")


@pytest.mark.parametrize("value", [float("inf"), Decimal("-Infinity")])
def test_infinity_is_no_missing_number(value):
    with pytest.raises(UnsupportedValue, match="JSON has not"):
        encoder("omit")({"v": value})


@pytest.mark.parametrize("beside", [1, None])
@pytest.mark.parametrize(
    "value",
    [
        *(dt.datetime(2026, 4, 6), dt.datetime(2026, 4, 6, 1, 2, 3, 4), dt.time(12, 30)),  # noqa: DTZ001
        *(np.datetime64("2026-04-06T12:00:00", "ns"), np.datetime64("2026-04-06", "D"), pd.Timestamp("2026-04-06")),
        *(np.array(["2026-04-06"], "datetime64[ns]"), {dt.datetime(2026, 4, 6): 1}),  # noqa: DTZ001
    ],
)
def test_a_time_without_a_zone_is_refused(value, beside):
    with pytest.raises(UnsupportedValue, match=r"no time zone|without a time zone"):
        encoder("null")({"v": value, "w": beside})


@pytest.mark.parametrize("beside", [1, None])
@pytest.mark.parametrize(
    "value",
    [
        *(object(), 1 + 2j, "\ud800", {Decimal("NaN"): 1}, {(1, 2): 3}),
        *(np.timedelta64(1, "ns"), pd.Timedelta(1, "ns"), np.longdouble(1)),
    ],
)
def test_a_value_that_json_has_not_is_refused(value, beside):
    with pytest.raises(UnsupportedValue, match=r"/v|the item"):
        encoder("null")({"v": value, "w": beside})


def test_an_item_that_is_nested_too_deep_is_refused_alike():
    for deep in (None, 1):
        for _ in range(5_000):
            deep = [deep]  # noqa: PLW2901 # it is what grows
        with pytest.raises(UnsupportedValue, match=r"nested too deep|cannot be written"):
            encoder("error")(deep)
    deep = None
    for _ in range(600):
        deep = [deep]
    with pytest.raises(UnsupportedValue, match="nested too deep"):
        encoder("error")(deep)


def test_numbers_are_read_exactly_or_as_floats():
    text = b'{"v":145.50,"n":12345678901234567890123456789012345678901}'
    exact = decoder(dict[str, Any], "decimal").decode(text)
    assert (str(exact["v"]), exact["n"]) == ("145.50", 12345678901234567890123456789012345678901)
    assert decoder(dict[str, Any], "float").decode(text)["v"] == 145.5
