"""dlt, which many would load such rows with: a pipeline into Postgres that merges by primary key.

All rows are given to it at once, in columns of their own: that is how it is fastest. It loads into a staging table and
merges from there; unlike Sluice's, its table has no index on the key unless it is asked for one.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")

import dlt
import psycopg
import pyarrow as pa
from psycopg import sql


class Loader:
    """One way to load the rows with dlt.

    Args:
        schema: a name for it, and for its schema in the database.
        url: of the database.
        folder: where dlt may keep its files.
        rows: a list of dicts, or an Arrow table.
        unique: keep the key unique, by an index, as Sluice does.
        strategy: how dlt merges; None: as it does by itself.
        file_format: by which it loads; None: as it does by itself.
    """

    def __init__(
        self,
        schema: str,
        url: str,
        folder: Path,
        rows: Any,
        *,
        unique: bool = False,
        strategy: str | None = None,
        file_format: str | None = None,
    ) -> None:
        self._schema = schema
        self._rows = rows
        self._options: dict[str, Any] = {
            "table_name": "entities",
            "primary_key": "external_id",
            "write_disposition": {"disposition": "merge", "strategy": strategy} if strategy else "merge",
        }
        if unique:
            self._options["columns"] = {"external_id": {"unique": True, "nullable": False}}
        if file_format:
            self._options["loader_file_format"] = file_format
        os.environ["DLT_DATA_DIR"] = str(folder / "dlt")  # else it writes into the machine's
        destination = dlt.destinations.postgres(credentials=_spelt(url))
        self._pipeline = dlt.pipeline(
            schema, pipelines_dir=str(folder / "dlt"), destination=destination, dataset_name=schema
        )

    def load(self) -> None:
        self._pipeline.run(self._rows, **self._options).raise_on_failed_jobs()

    def empty(self, admin: psycopg.Connection[Any]) -> None:
        """No row is left; before the first run there is no table."""
        if admin.execute("SELECT to_regclass(%s)", (f"{self._schema}.entities",)).fetchone() != (None,):
            admin.execute(f"TRUNCATE {self._schema}.entities")

    def count(self, admin: psycopg.Connection[Any]) -> int:
        return int(admin.execute(f"SELECT count(*) FROM {self._schema}.entities").fetchone()[0])


def keep_from_nested_loops(admin: psycopg.Connection[Any]) -> None:
    """Have dlt's MERGE join by hashes in the database of a connection, for the sessions that begin after this.

    dlt analyzes nothing that it has filled. Where autovacuum has last looked at an empty table, the server joins the
    rows by nested loops, and 1,000,000 of them take hours.
    """
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("ALTER DATABASE {} SET enable_nestloop = off").format(database))


def _spelt(url: str) -> str:
    """dlt wants a host and a password, even where a socket needs neither; the last host counts."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query)["host"][0]
    return f"postgresql://sluice:none@localhost:5432{parts.path}?host={socket}"


def flat(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each field of `data` in a column of its own."""
    return [{"external_id": item["externalId"], "type": item["entityType"], **item["data"]} for item in items]


def loaders(url: str, folder: Path, items: Sequence[dict[str, Any]]) -> dict[str, Loader]:
    """The ways that were best of those tried, by the names that the table shows."""
    rows = flat(items)
    table = pa.Table.from_pylist(rows)
    return {
        "dlt, dict rows": Loader("dicts", url, folder, rows),
        "dlt, Arrow by CSV": Loader("by_csv", url, folder, table, strategy="upsert", file_format="csv"),
        "dlt, Arrow by ADBC": best_loader("by_adbc", url, folder, table),
        "dlt, Arrow by ADBC, unique key": best_loader("by_adbc_unique", url, folder, table, unique=True),
    }


def best_loader(schema: str, url: str, folder: Path, table: Any, *, unique: bool = False) -> Loader:
    """Return the fastest way of those tried; the arguments are as `Loader` takes them."""
    return Loader(schema, url, folder, table, unique=unique, strategy="upsert", file_format="parquet")
