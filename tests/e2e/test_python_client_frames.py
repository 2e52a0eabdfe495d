"""Frames, tables and generators loaded into the real server: what is read back is what was there."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sluice_client import Client, UnsupportedValue

DIGITS = 1234567890123456789012345678901234567890
NANOSECONDS = 1_775_469_600_123_456_789
AT = dt.datetime(2026, 4, 6, 12, 0, 0, 123456, tzinfo=ZoneInfo("Europe/Berlin"))
ROWS = 3_000

# The values of each row by its number, and by whether it has any: a third of the rows has none.
EXPECTED = {
    "email": "å@example.com",
    "money": Decimal("145.50"),
    "digits": DIGITS,
    "at": "2026-04-06T12:00:00.123456+02:00",
    "nested": {"n": [1, None]},
}


@pytest.fixture
def client(stack, client_key):
    with Client(stack.api, key=client_key) as opened:
        yield opened


@pytest.fixture
def prefix():
    return uuid4().hex[:12]


def columns(prefix):
    numbers = range(ROWS)
    return {
        "externalId": [f"{prefix}-{number}" for number in numbers],
        "email": ["å@example.com"] * ROWS,
        "number": list(numbers),
        "missing": [None if number % 3 else number / 4 for number in numbers],
    }


def of_pandas(prefix):
    return pd.DataFrame({
        **columns(prefix),
        "money": pd.Series([Decimal("145.50")] * ROWS, dtype=object),
        "digits": pd.Series([DIGITS] * ROWS, dtype=object),
        "at": pd.Series([AT] * ROWS),
        "nano": pd.to_datetime([NANOSECONDS] * ROWS, unit="ns", utc=True),
        "nested": [{"n": [1, None]}] * ROWS,
    })  # fmt: skip


def of_polars(prefix):
    return pl.DataFrame({
        **columns(prefix),
        "money": [Decimal("145.50")] * ROWS,
        "digits": pl.Series([DIGITS] * ROWS, dtype=pl.Object),
        "at": [AT] * ROWS,
        "nano": pl.Series([NANOSECONDS] * ROWS).cast(pl.Datetime("ns", "UTC")),
        "nested": [{"n": [1, None]}] * ROWS,
    })  # fmt: skip


def of_arrow(prefix):
    return pa.table({
        **columns(prefix),
        "money": [Decimal("145.50")] * ROWS,
        "digits": pa.array([Decimal(DIGITS)] * ROWS, pa.decimal256(60, 0)),
        "at": pa.array([AT] * ROWS, pa.timestamp("us", "Europe/Berlin")),
        "nano": pa.array([NANOSECONDS] * ROWS, pa.timestamp("ns", "UTC")),
        "nested": [{"n": [1, None]}] * ROWS,
    })  # fmt: skip


def of_duckdb(prefix):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Europe/Berlin'")
    return connection.sql(f"""
        SELECT '{prefix}-' || range AS "externalId", 'å@example.com' AS email, range AS number,
            CASE WHEN range % 3 = 0 THEN range / 4 END AS missing, 145.50::DECIMAL(10, 2) AS money,
            '{DIGITS}'::BIGNUM AS digits, TIMESTAMPTZ '2026-04-06 12:00:00.123456+02' AS at,
            {{'n': [1, NULL]}} AS nested
        FROM range({ROWS})
    """)


def of_a_generator(prefix):
    told = columns(prefix)
    for external_id, number, missing in zip(told["externalId"], told["number"], told["missing"], strict=True):
        data = {**EXPECTED, "at": AT, "number": number, "missing": missing}
        yield {"externalId": external_id, "entityType": "player", "data": data}


@pytest.mark.parametrize("source", [of_pandas, of_polars, of_arrow, of_duckdb, of_a_generator])
def test_what_is_read_back_is_what_was_there(client, prefix, source):
    options = {} if source is of_a_generator else {"entity_type": "player"}
    report = client.entities.load(source(prefix), null_policy="null", batch_items=1_000, **options)
    assert (report.created, len(report.jobs)) == (ROWS, 3)
    for number in (0, 1, ROWS - 1):
        read = client.entities.get(f"{prefix}-{number}").data
        assert read.pop("nano", None) in {None, "2026-04-06T10:00:00.123456789+00:00"}
        assert read == {**EXPECTED, "number": number, "missing": None if number % 3 else Decimal(number) / 4}
        assert str(read["money"]) == "145.50"


def test_missing_numbers_of_a_frame_are_refused_unless_a_policy_says_otherwise(client, prefix):
    with pytest.raises(UnsupportedValue, match=r"Item 1: /data/missing is nan.*null_policy"):
        client.entities.load(of_pandas(prefix), entity_type="player")
    client.entities.load(of_pandas(prefix), entity_type="player", null_policy="omit")
    assert "missing" not in client.entities.get(f"{prefix}-1").data


def test_events_and_states_of_a_frame_fill_their_members(client, prefix):
    client.entities.load(of_polars(prefix).head(2), entity_type="player")
    events = pl.DataFrame({
        "externalId": [f"{prefix}-0"] * 2,
        "eventId": [f"{prefix}-e", None],
        "timestamp": [AT, None],
        "amount": [Decimal("9.90"), Decimal("0.10")],
        "type": ["deposit"] * 2,
        "currency": ["EUR"] * 2,
    })  # fmt: skip
    assert client.events.load(events, event_type="transaction").created == 2
    assert client.events.load(events.head(1), event_type="transaction").duplicate == 1
    assert {event.data["amount"] for event in client.events.list(f"{prefix}-0")} == {Decimal("9.90"), Decimal("0.10")}
    shown = AT.replace(microsecond=123_000)  # in milliseconds
    assert shown in {event.timestamp for event in client.events.list(f"{prefix}-0")}
    states = pa.table({"externalId": [f"{prefix}-0", f"{prefix}-1"], "value": [1, 2]})
    assert client.states.load(states, state_key="balance").created == 2
    assert client.states.get(f"{prefix}-1", "balance").value == 2
