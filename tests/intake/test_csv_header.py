"""The columns of wide headers take much memory: no process keeps many of them, and the web process keeps none."""

import gc
import json
import weakref
from datetime import UTC, datetime

import pytest

from ingest.engine import csv_types
from ingest.intake import csv_header, csv_rows
from ingest.intake.blocks import blocks_of_rows
from ingest.intake.csv_header import judge, row_bytes
from ingest.intake.payloads import items_of, json_bytes
from ingest.items.entities import EntitySchema
from ingest.items.templates import Template, TypeRules
from ingest.jobs import CsvFormat

NEEDED = ("externalId", "entityType", "data")


def header(columns: int, name: str = "c") -> str:
    return ",".join(["externalId", "entityType", *(f"{name}{n}" for n in range(columns - 2))])


def kept_columns() -> int:
    return csv_header._kept_columns.cache_info().currsize


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    for cache in (csv_header._kept_columns, csv_rows._kept, csv_rows._last_wide, csv_types._kept, csv_types._last_wide):
        cache.cache_clear()


def test_a_header_of_100_000_columns_is_taken_and_its_columns_are_not_kept() -> None:
    assert judge(CsvFormat(), header(100_000), NEEDED).header == header(100_000)
    assert kept_columns() == 0


def test_columns_are_kept_up_to_1_000() -> None:
    judge(CsvFormat(), header(1_001), NEEDED)
    assert kept_columns() == 0
    judge(CsvFormat(), header(1_000), NEEDED)
    assert kept_columns() == 1


def test_few_columns_of_long_names_are_not_kept_either() -> None:
    judge(CsvFormat(), header(200, "c" * 490), NEEDED)
    assert kept_columns() == 0


def test_a_worker_keeps_the_last_wide_header_alone() -> None:
    kept = []
    for name in "abc":
        rows = csv_rows._rows_of(CsvFormat(header(1_001, name)), ())
        kept.append(weakref.ref(rows))
        assert csv_rows._rows_of(CsvFormat(header(1_001, name)), ()) is rows
    del rows
    gc.collect()
    assert [found() is not None for found in kept] == [False, False, True]
    assert (csv_rows._kept.cache_info().currsize, kept_columns()) == (0, 0)


def test_types_of_the_template_keep_the_last_wide_header_alone() -> None:
    types = {"person": TypeRules(fields={"c0": {"type": "number"}})}
    schema = EntitySchema(Template(1, "tpl_x", "X", "1", types, {}, [], {}, datetime(2026, 1, 1, tzinfo=UTC)))
    for name in "abc":
        assert csv_types.row_types(schema, CsvFormat(header(1_001, name))) == (
            ("entityType", (("person", ((2, "number"),)),)) if name == "c" else None
        )
        csv_types.row_types(schema, CsvFormat(header(3, name)))
    assert (csv_types._last_wide.cache_info().currsize, csv_types._kept.cache_info().currsize) == (1, 3)


def test_constants_count_for_the_bytes_of_an_item() -> None:
    constants = (("entityType", "é\n" * 100), ("stateKey", '"' * 200))
    csv_format = CsvFormat("externalId", constants=constants, has_data=False)
    [block] = blocks_of_rows([b"1\n2\n"], ",", longest=100, row_bytes=row_bytes(csv_format))
    texts = items_of(block.payload, 2, csv_format).texts
    assert json.loads(bytes(texts[0])) == {**dict(constants), "externalId": "1"}
    assert sum(map(len, texts)) <= json_bytes(block.payload, block.items, csv_format) <= sum(map(len, texts)) + 60
