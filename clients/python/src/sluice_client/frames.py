"""Data frames, Arrow tables and DuckDB's relations as items, a slice of rows at a time.

The columns are those of CSV (docs/contracts/jobs.md section 1): `externalId`, `entityType`, `eventType`, `stateKey`,
`timestamp`, `eventId` and `value` fill those members of an item, and every other one fills its `data`, where dots nest.
A frame with a column `data` has items as they are, a column each member.

narwhals reads the frames of pandas, polars, Modin and cuDF. Arrow's own rows keep maps, and DuckDB's keep large
integers, which a frame would lose.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from sluice_client.errors import SluiceError, UnsupportedValue
from sluice_client.shapes import shape_of
from sluice_client.tables import Lines
from sluice_client.values import Shape

_NARWHALS, _ARROW, _DUCKDB = {"pandas", "polars", "modin", "cudf"}, {"pyarrow"}, {"duckdb", "_duckdb"}
_TABLES = {"DataFrame", "LazyFrame", "Table", "RecordBatch", "RecordBatchReader", "DuckDBPyRelation"}

_TEXTS = {"string", "large_string"}

# A slice of rows has at most so many bytes as the frame holds them; as objects of Python they are several times that.
_SLICE_BYTES, _SLICE_ROWS = 1024**2, 1_000
_LARGE_INTEGERS = {"BIGNUM", "VARINT"}  # of any length, which DuckDB gives as text


class Frame(Protocol):
    """A frame, a table or a relation, of whichever library."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return its rows as Arrow's; this is how type checkers know a frame, and is not called."""


class _Table(NamedTuple):
    """A frame: the names of its columns, and its rows."""

    names: list[str]
    rows: Iterator[Sequence[Any]]


def is_frame(source: object) -> bool:
    """True if the source of a load is a frame, a table or a relation."""
    return type(source).__name__ in _TABLES and _library(source) in _NARWHALS | _ARROW | _DUCKDB


def rows_of(source: Any, kind: str, constants: Mapping[str, Any]) -> tuple[Iterator[Sequence[Any]], Shape]:
    """Return the rows of a frame, and their shape.

    Args:
        source: the frame; a RecordBatchReader is read once.
        kind: `entities`, `events` or `states`.
        constants: `entityType`, `eventType` or `stateKey` of all rows, which then have no such column.

    Raises:
        SluiceError: narwhals is not installed, which pandas and polars need.
        UnsupportedValue: a column has times that Python has not, to the nanosecond.
        ValueError: two columns are of one name, or one stands for the inside of another.
    """
    library = _library(source)
    if library in _ARROW:
        names = list(source.schema.names)
        lines = Lines(shape_of(names, kind, constants), len(names), _values_of)
        return chain.from_iterable(map(lines.of, _slices_of(source))), lines.shape
    table = (_of_duckdb if library in _DUCKDB else _of_narwhals)(source)
    return table.rows, shape_of(table.names, kind, constants)


def _library(source: object) -> str:
    return type(source).__module__.partition(".")[0]


def _of_narwhals(source: Any) -> _Table:
    try:
        import narwhals as nw  # noqa: PLC0415 # an extra
    except ModuleNotFoundError:
        raise SluiceError("Frames of pandas and polars need: pip install 'sluice-client[dataframes]'") from None
    if type(source).__name__ == "LazyFrame":
        raise UnsupportedValue("a LazyFrame has no rows yet: load what its collect() returns")
    frame: Any = nw.from_native(source, eager_only=True)
    if _library(source) == "polars":  # gives times as those of Python, which have no nanoseconds
        frame = frame.with_columns(*_nanoseconds(nw, frame.schema))
    size = int(frame.estimated_size()) if len(frame) else 1
    rows = frame.iter_rows(named=False, buffer_size=_slice_rows(len(frame), size))
    return _Table([str(name) for name in frame.columns], rows)


def _nanoseconds(nw: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the columns of times to the nanosecond, as text.

    Raises:
        UnsupportedValue: there are such inside of another, or spans of time to the nanosecond.
    """
    for name, kind in schema.items():
        if isinstance(kind, nw.Datetime) and kind.time_unit == "ns" and kind.time_zone:
            yield nw.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.9f%:z")
        elif "time_unit='ns'" in repr(kind) and not isinstance(kind, nw.Datetime):
            raise UnsupportedValue(f"the column {name} counts nanoseconds: cast it to microseconds or to text first")


def _slices_of(source: Any) -> Iterator[Any]:
    """Yield what Arrow has, as batches of few rows."""
    batches = source.to_batches() if hasattr(source, "to_batches") else [source] if hasattr(source, "slice") else source
    for batch in batches:
        step = _slice_rows(batch.num_rows, batch.nbytes)
        for first in range(0, batch.num_rows, step):
            yield batch.slice(first, step)


def _values_of(column: Any) -> list[Any]:
    """Return the values of a column; by way of numpy, text comes several times as fast, and is the same."""
    if str(column.type) in _TEXTS and "numpy" in sys.modules:
        return list(column.to_numpy(zero_copy_only=False).tolist())
    return list(column.to_pylist(maps_as_pydicts="strict"))


def _of_duckdb(source: Any) -> _Table:
    large = [place for place, kind in enumerate(source.types) if str(kind) in _LARGE_INTEGERS]
    if hasattr(source, "fetchmany"):  # before DuckDB 2
        rows = chain.from_iterable(iter(lambda: source.fetchmany(_SLICE_ROWS), []))
    else:
        rows = source.iter_rows(_SLICE_ROWS)
    return _Table(list(source.columns), map(_with_integers(large), rows) if large else rows)


def _with_integers(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    def changed(row: Sequence[Any]) -> Sequence[Any]:
        return [int(value) if place in places and value is not None else value for place, value in enumerate(row)]

    return changed


def _slice_rows(rows: int, size: int) -> int:
    """Return how many rows a slice has, of a table of so many rows and bytes."""
    return max(1, min(_SLICE_ROWS, _SLICE_BYTES * rows // max(size, 1)))
