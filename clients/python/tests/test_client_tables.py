"""Lines of Arrow's tables: each is what its row would be sent as by itself, whatever types and values it has."""

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_client import UnsupportedValue
from sluice_client.frames import rows_of
from sluice_client.shapes import shape_of
from sluice_client.values import encoder

UTC = dt.timezone.utc
WHEN = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 # Arrow's are in UTC
TEXT = st.text(max_size=6) | st.sampled_from(['"', "\\", "\x00\x1f\x7f", "null", "é", "日本", "12:00:00", "NaN", "\n"])
DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False)
SMALL = st.decimals(min_value=-1, max_value=1, places=30, allow_nan=False)

# A type, and values of it.
KINDS = [
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.decimal128(13, 4), DECIMALS),
    (pa.decimal256(40, 30), SMALL),
    (pa.date32(), st.dates()),
    (pa.timestamp("us", "UTC"), WHEN.map(lambda at: at.replace(tzinfo=UTC))),
    (pa.timestamp("ms", "Europe/Berlin"), WHEN.map(lambda at: at.replace(microsecond=0, tzinfo=UTC))),
    (pa.timestamp("us"), WHEN),
    (pa.duration("us"), st.timedeltas(dt.timedelta(-999), dt.timedelta(999))),
    (pa.binary(), st.binary(max_size=4)),
    (pa.dictionary(pa.int8(), pa.string()), TEXT),
    (pa.list_(pa.string()), st.lists(TEXT | st.none(), max_size=2)),
    (pa.struct([("a", pa.float64())]), st.fixed_dictionaries({"a": st.floats() | st.none()})),
    (pa.map_(pa.string(), pa.int64()), st.sampled_from([[], [("a", 1)], [("a", 1), ("b", 2)]])),
    (pa.null(), st.none()),
]  # fmt: skip
NAMES = ["externalId", "timestamp", "value", "n", "flag", "é", "address.city", "a.b.c", 'q"']


@st.composite
def batches(draw):
    """A batch of some columns, which is itself a part of a larger one."""
    rows = draw(st.integers(1, 4))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    columns = []
    for _ in names:
        kind, values = draw(st.sampled_from(KINDS))
        if draw(st.integers(0, 3)) == 0:
            values |= st.none()
        columns.append(pa.array(draw(st.lists(values, min_size=rows + 2, max_size=rows + 2)), kind))
    return pa.record_batch(columns, names).slice(1, rows)


def lines(rows, shape, policy):
    """The line of each row, or that it cannot be sent."""
    encode = encoder(policy, shape)

    def line(row):
        try:
            return encode(row)
        except UnsupportedValue as error:
            return str(error)

    return [line(row) for row in rows]


@given(batches(), st.sampled_from(["error", "null", "omit"]), st.sampled_from(["entities", "events", "states"]))
def test_lines_of_a_table_are_those_of_its_rows(batch, policy, kind):
    constants = {"entityType": 'a "b"'}
    one_by_one = shape_of(batch.schema.names, kind, constants)
    values = list(zip(*(column.to_pylist(maps_as_pydicts="strict") for column in batch.columns), strict=True))
    rows, shape = rows_of(batch, kind, constants)
    rows = list(rows)
    assert lines(rows, shape, policy) == lines(values, one_by_one, policy)
    assert [repr(shape.item(row)) for row in rows] == [repr(one_by_one.item(row)) for row in values]


def test_rows_of_plain_columns_are_written_by_the_table_and_others_by_themselves():
    table = pa.table({
        "externalId": ["a", "b", "c"],
        "n": [1, 2, 3],
        "f": [1.5, math.nan, 2.5],
        "at": [dt.datetime(2026, 4, 6, tzinfo=UTC)] * 3,
        "d": [Decimal("1.50")] * 3,
    })  # fmt: skip
    rows, shape = rows_of(table, "entities", {"entityType": "player"})
    assert [shape.line(row) for row in rows] == [
        b'{"data":{"n":1,"f":1.5,"at":"2026-04-06T00:00:00Z","d":1.50},"externalId":"a","entityType":"player"}',
        None,
        b'{"data":{"n":3,"f":2.5,"at":"2026-04-06T00:00:00Z","d":1.50},"externalId":"c","entityType":"player"}',
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_text_that_is_no_utf_8_is_not_sent(kind):
    offsets = pa.array([0, 2], pa.int32() if kind == pa.string() else pa.int64()).buffers()[1]
    broken = pa.Array.from_buffers(kind, 1, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    rows, shape = rows_of(pa.table({"externalId": ["a"], "t": broken}), "entities", {})
    with pytest.raises((pa.ArrowException, UnicodeDecodeError)):  # by way of numpy, and without
        encoder("error", shape)(next(rows))


def test_an_empty_table_has_no_lines():
    for table in (pa.table({"externalId": pa.array([], pa.string())}), pa.table({"n": [1]}).select([])):
        assert list(rows_of(table, "entities", {})[0]) == []
