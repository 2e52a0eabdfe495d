"""The screen of `sluice top`, on terminals of any width."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sluice_client import JobInfo
from sluice_client.cli.top import screen

ID = "job_" + "0123456789abcdef" * 2
WORKERS = "workers: 64 running, 48 busy"


def job(status: str, **members: object) -> JobInfo:
    begun = datetime.now(UTC) - timedelta(hours=30)
    at = {"id": ID, "type": "batch_ingest_entities", "status": status, "progress": 50, "created_at": begun}
    return JobInfo(**at, total=10_000_000, processed=5_000_000, **members)  # type: ignore[arg-type] # as told


JOBS = [job("processing", rate=123_456.0, eta_seconds=45.0, label="日本, " * 40), job("pending")]


def shown(jobs: list[JobInfo], width: int) -> tuple[list[str], list[str]]:
    """The lines of the head, and those of the table, on a terminal of a width."""
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False).print(screen(jobs, WORKERS, width))
    head, _, table = file.getvalue().partition("\n\n")
    return head.splitlines(), table.splitlines()


def test_on_80_columns_each_line_of_the_head_ends_between_two_facts_and_ids_are_whole() -> None:
    head, table = shown(JOBS, 80)
    head[1] = re.sub(r"30:\d\d:\d\d", "30:00:00", head[1])  # it waits on while the tests run
    assert [line.partition("Z  ")[2] or line for line in head] == [
        "2 open jobs, 10,000,000 items to do, 123,456 items/s",
        "oldest wait 30:00:00, workers: 64 running, 48 busy",
    ]
    assert [line.split() for line in table] == [
        ["job", "type", "status", "done", "items"],
        [ID, "entities", "processing", "50", "%", "10,000,000"],
        [ID, "entities", "pending", "50", "%", "10,000,000"],
    ]


def test_a_wide_terminal_has_one_line_for_the_head_and_every_column() -> None:
    head, table = shown(JOBS, 200)
    assert len(head) == 1
    assert table[0].split()[-3:] == ["left", "age", "label"]
    assert table[1].rstrip().endswith("…")


@pytest.mark.parametrize("width", [20, 36, 40, 60, 80, 100, 117, 118, 140])
def test_a_job_has_one_line_on_any_terminal(width: int) -> None:
    head, table = shown(JOBS, width)
    assert len(table) == 1 + len(JOBS)
    assert "".join(head).replace(" ", "").endswith(WORKERS.replace(" ", ""))


def test_columns_stand_there_without_a_job_too() -> None:
    _, table = shown([], 80)
    assert table[0].split() == ["job", "type", "status", "done", "items", "failed", "items/s", "left", "age", "label"]
