"""Rows of data frames as items: their shape, and their values, of which none is changed on the way."""

import datetime as dt
import json
import sys
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sluice_client import SluiceError, UnsupportedValue
from sluice_client.frames import _SLICE_BYTES, _slice_rows, is_frame, rows_of
from sluice_client.testing import fake
from sluice_client.values import encoder

DIGITS = 1234567890123456789012345678901234567890
BERLIN = ZoneInfo("Europe/Berlin")
AT = dt.datetime(2026, 4, 6, 12, 0, 0, 123456, tzinfo=BERLIN)
NANOSECONDS = 1_775_469_600_123_456_789
COLUMNS = {"externalId": ["a", "b"], "email": ["a@example.com", "b@example.com"], "address.city": ["Ulm", None]}

# The same two rows, as each library holds them.
FRAMES = [
    pytest.param(lambda: pd.DataFrame(COLUMNS, dtype=object), id="pandas"),
    pytest.param(lambda: pl.DataFrame(COLUMNS), id="polars"),
    pytest.param(lambda: pa.table(COLUMNS), id="table"),
    pytest.param(lambda: pa.table(COLUMNS).to_batches()[0], id="batch"),
    pytest.param(lambda: pa.table(COLUMNS).to_reader(), id="reader"),
    pytest.param(lambda: duckdb.connect().sql("""
        SELECT 'a' AS "externalId", 'a@example.com' AS email, 'Ulm' AS "address.city"
        UNION ALL SELECT 'b', 'b@example.com', NULL
    """), id="duckdb"),
]  # fmt: skip


def items(frame, kind="entities", **constants):
    """The items of a frame, each of which is sent as what its row is sent as."""
    assert is_frame(frame)
    rows, shape = rows_of(frame, kind, constants)
    found = []
    for row in rows:
        found.append(shape.item(row))
        assert sent("null", row, shape) == sent("null", found[-1])
    return found


def sent(policy, row, shape=None):
    return json.loads(encoder(policy, shape)(row), parse_float=Decimal)


def lines(frame, policy="error"):
    """The data of a frame's items as they are sent, their numbers read exactly."""
    rows, shape = rows_of(frame, "entities", {})
    return [sent(policy, row, shape)["data"] for row in rows]


@pytest.mark.parametrize("frame", FRAMES)
def test_columns_fill_members_or_data_and_dots_nest(frame):
    assert items(frame(), entityType="player") == [
        {
            "entityType": "player",
            "externalId": "a",
            "data": {"email": "a@example.com", "address": {"city": "Ulm"}},
        },
        {"entityType": "player", "externalId": "b", "data": {"email": "b@example.com", "address": {"city": None}}},
    ]


def test_a_column_data_has_the_data_as_it_is():
    frame = pl.DataFrame({"externalId": ["a"], "data": [{"n": 1}], "extra": [2]})
    assert items(frame) == [{"externalId": "a", "data": {"n": 1}, "extra": 2}]


def test_a_state_has_its_value_and_a_missing_member_is_left_out():
    frame = pd.DataFrame({"externalId": ["a", "b"], "stateKey": ["balance", None], "value": [1.5, None]})
    first, second = items(frame, "states")
    assert first == {"externalId": "a", "stateKey": "balance", "value": 1.5}
    assert second.keys() == {"externalId", "value"}
    assert encoder("null")(second) == b'{"externalId":"b","value":null}'
    [event] = items(pl.DataFrame({"externalId": ["a"], "eventId": [None], "n": [1]}), "events")
    assert event == {"externalId": "a", "data": {"n": 1}}


def test_pandas_gives_each_value_as_it_is():
    frame = pd.DataFrame({
        "decimal": [Decimal("145.50"), Decimal("1E400")],
        "large": pd.Series([DIGITS, -DIGITS], dtype=object),
        "at": pd.to_datetime([NANOSECONDS, None], unit="ns", utc=True).tz_convert("Europe/Berlin"),
        "nullable": pd.array([2**62 + 1, None], dtype="Int64"),
        "missing": [1.5, None],
        "text": ["x", None],
        "kind": pd.Categorical(["q", None]),
        "flag": [True, False],
        "nested": [{"n": [1, None]}, [Decimal("0.1")]],
        "arrow": pd.array([Decimal("1.10"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
    })  # fmt: skip
    first, second = lines(frame, "omit")
    assert first == {
        "decimal": Decimal("145.50"),
        "large": DIGITS,
        "at": "2026-04-06T12:00:00.123456789+02:00",
        "nullable": 2**62 + 1,
        "missing": Decimal("1.5"),
        "text": "x",
        "kind": "q",
        "flag": True,
        "nested": {"n": [1, None]},
        "arrow": Decimal("1.10"),
    }
    assert second == {"decimal": Decimal("1E400"), "large": -DIGITS, "flag": False, "nested": [Decimal("0.1")]}
    with pytest.raises(UnsupportedValue, match=r"/data/.*null_policy"):
        lines(frame)


def test_polars_gives_each_value_as_it_is():
    frame = pl.DataFrame({
        "decimal": pl.Series([Decimal("145.50"), None]),
        "large": pl.Series([2**126, None], dtype=pl.Int128),
        "digits": pl.Series([DIGITS, None], dtype=pl.Object),
        "micro": pl.Series([AT, None]),
        "nano": pl.Series([NANOSECONDS, None]).cast(pl.Datetime("ns", "Europe/Berlin")),
        "missing": [1.5, float("nan")],
        "day": [dt.date(2026, 4, 6), None],
        "span": [dt.timedelta(days=1), None],
        "kind": pl.Series(["q", None], dtype=pl.Categorical),
        "nested": [{"n": [1, None]}, None],
    })  # fmt: skip
    first, second = lines(frame, "omit")
    assert first == {
        "decimal": Decimal("145.50"),
        "large": 2**126,
        "digits": DIGITS,
        "micro": "2026-04-06T12:00:00.123456+02:00",
        "nano": "2026-04-06T12:00:00.123456789+02:00",
        "missing": Decimal("1.5"),
        "day": "2026-04-06",
        "span": "P1D",
        "kind": "q",
        "nested": {"n": [1, None]},
    }
    assert second == dict.fromkeys(first.keys() - {"missing"})


def test_arrow_gives_each_value_as_it_is():
    table = pa.table({
        "decimal": pa.array([Decimal("145.50"), None]),
        "digits": pa.array([Decimal(DIGITS), None], pa.decimal256(60, 0)),
        "nano": pa.array([NANOSECONDS, None], pa.timestamp("ns", "Europe/Berlin")),
        "micro": pa.array([AT, None], pa.timestamp("us", "Europe/Berlin")),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "kind": pa.array(["q", None]).dictionary_encode(),
        "missing": [1.5, float("nan")],
    })  # fmt: skip
    first, second = lines(table, "omit")
    assert first == {
        "decimal": Decimal("145.50"),
        "digits": DIGITS,
        "nano": "2026-04-06T12:00:00.123456789+02:00",
        "micro": "2026-04-06T12:00:00.123456+02:00",
        "map": {"k": 1},
        "kind": "q",
        "missing": Decimal("1.5"),
    }
    assert second == dict.fromkeys(first.keys() - {"missing"})


def test_duckdb_gives_each_value_as_it_is():
    with duckdb.connect() as connection:
        relation = connection.sql(f"""
            SELECT (2::HUGEINT ** 126)::HUGEINT AS large, '{DIGITS}'::BIGNUM AS digits, 145.50::DECIMAL(10, 2) AS money,
                TIMESTAMPTZ '2026-04-06 12:00:00.123456+02' AS at, MAP {{'k': 1}} AS map, 'NaN'::DOUBLE AS missing,
                NULL AS nothing, {{'n': [1, NULL]}} AS nested
            UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, 1.5, NULL, NULL
        """)  # fmt: skip
        first, second = lines(relation, "omit")
    assert (first["large"], first["digits"], str(first["money"])) == (2**126, DIGITS, "145.50")
    assert dt.datetime.fromisoformat(first["at"]) == AT
    assert (first["map"], first["nothing"], first["nested"]) == ({"k": 1}, None, {"n": [1, None]})
    assert "missing" not in first
    assert second["missing"] == Decimal("1.5")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"at": pd.to_datetime(["2026-04-06"])}),
        pl.DataFrame({"at": [dt.datetime(2026, 4, 6)]}),  # noqa: DTZ001
        pl.DataFrame({"at": pl.Series([1]).cast(pl.Datetime("ns"))}),
        pa.table({"at": pa.array([1], pa.timestamp("ns"))}),
        duckdb.connect().sql("SELECT TIMESTAMP '2026-04-06' AS at"),
    ],
)
def test_times_of_a_frame_without_a_zone_are_refused(frame):
    with pytest.raises(UnsupportedValue, match=r"/data/at is a .* without a time zone"):
        lines(frame)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([1]).cast(pl.Duration("ns")),
        pl.Series([[1]]).cast(pl.List(pl.Datetime("ns", "UTC"))),
    ],
)
def test_nanoseconds_that_python_would_lose_are_refused(series):
    with pytest.raises(UnsupportedValue, match="at counts nanoseconds"):
        items(pl.DataFrame({"at": series}))


def test_a_lazy_frame_says_to_collect_it():
    with pytest.raises(UnsupportedValue, match="collect"):
        items(pl.LazyFrame({"a": [1]}))


def test_columns_that_stand_for_one_member_are_refused():
    with pytest.raises(ValueError, match="says entityType twice"):
        items(pl.DataFrame({"entityType": ["a"]}), entityType="b")
    with pytest.raises(ValueError, match="says a twice"):
        items(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(ValueError, match=r"one of a and a\.b"):
        items(pl.DataFrame({"a.b": [1], "a": [2]}))


def test_a_slice_has_fewer_rows_the_larger_they_are():
    assert _slice_rows(10, 100) == 1_000
    assert _slice_rows(10, 10 * _SLICE_BYTES) == 1
    assert _slice_rows(100, 10 * _SLICE_BYTES) == 10
    assert _slice_rows(0, 0) == 1
    table = pa.table({"text": ["x" * 100_000] * 50, "externalId": [str(number) for number in range(50)]})
    assert [item["externalId"] for item in items(table)] == [str(number) for number in range(50)]


def test_an_arrow_table_is_read_as_it_is_wanted():
    read = []

    def batches():
        for number in range(3):
            read.append(number)
            yield pa.record_batch({"externalId": [f"{number}"]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("externalId", pa.string())]), batches())
    rows, shape = rows_of(reader, "entities", {})
    assert shape.item(next(rows))["externalId"] == "0"
    assert read == [0]


def test_frames_of_pandas_say_which_extra_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(SluiceError, match=r"sluice-client\[dataframes\]"):
        items(pd.DataFrame({"a": [1]}))


def test_a_frame_is_loaded_with_one_type_for_all_rows_and_errors_have_their_item():
    server = fake()
    frame = pl.DataFrame({"externalId": ["a", "b"], "email": ["a@example.com", None]})
    with server.client() as client:
        report = client.entities.load(frame, entity_type="player", on_error="collect")
    assert server.entities["a"].data == {"email": "a@example.com"}
    assert report.errors[0].item == {"entityType": "player", "externalId": "b", "data": {"email": None}}
