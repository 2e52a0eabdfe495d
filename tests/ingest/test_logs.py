import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from ingest import logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def configured(capfd: pytest.CaptureFixture[str]) -> Callable[[], Lines]:
    """Configures logging, and gives what reads the lines that were logged since, each as JSON."""

    def configure() -> Lines:
        logs.configure("INFO", "worker")
        return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    return configure


def test_a_line_is_one_json_object_with_event_process_and_time(configured: Callable[[], Lines]) -> None:
    lines = configured()
    structlog.get_logger("ingest.engine.executor").info("job_ended", total=3)
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job_ended",
        "total": 3,
        "level": "info",
        "logger": "ingest.engine.executor",
        "process": "worker",
    }


def test_a_line_carries_the_ids_that_are_bound(configured: Callable[[], Lines]) -> None:
    lines = configured()
    with structlog.contextvars.bound_contextvars(job_id="0198", request_id="r1"):
        structlog.get_logger("ingest.engine.executor").warning("block_retried")
        logging.getLogger("some.library").warning("a %s", "word")
    structlog.get_logger("ingest.engine.executor").warning("after")
    ours, theirs, after = lines()
    assert (ours["job_id"], ours["request_id"]) == ("0198", "r1")
    assert (theirs["job_id"], theirs["request_id"], theirs["event"]) == ("0198", "r1", "a word")
    assert theirs["logger"] == "some.library"
    assert "job_id" not in after


def test_a_line_below_the_level_is_not_written(configured: Callable[[], Lines]) -> None:
    lines = configured()
    structlog.get_logger("ingest.engine.executor").debug("detail")
    logging.getLogger("some.library").debug("detail")
    assert lines() == []


def test_a_traceback_stays_in_its_line_and_shows_no_variables(configured: Callable[[], Lines]) -> None:
    lines = configured()

    def fail(secret: str) -> None:
        raise ValueError(f"{len(secret)} characters")

    try:
        fail("hunter2")
    except ValueError:
        structlog.get_logger("worker.tasks").exception("job_crashed")
    [line] = lines()
    assert "ValueError: 7 characters" in line["exception"]
    assert "hunter2" not in json.dumps(line).replace('fail(\\"hunter2\\")', "")


@pytest.mark.parametrize("text", ["two\nlines", '"quoted"', "\0", "\u2028", "é😀", "\ud800"])
def test_no_text_breaks_a_line(configured: Callable[[], Lines], text: str) -> None:
    lines = configured()
    structlog.get_logger("x").info("event", text=text)
    [line] = lines()
    assert line["text"] == text


def test_what_json_does_not_know_is_shown_as_python_does(configured: Callable[[], Lines]) -> None:
    lines = configured()
    structlog.get_logger("x").info("event", what={1}, process=b"x")
    [line] = lines()
    assert (line["what"], line["process"]) == ("{1}", "worker")


def test_a_full_disk_fails_nobody_who_logs(configured: Callable[[], Lines]) -> None:
    lines = configured()
    kept = os.dup(2)
    try:
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), 2)
        structlog.get_logger("x").info("lost")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    structlog.get_logger("x").info("written")
    assert [line["event"] for line in lines()] == ["written"]


def test_lines_go_to_standard_error_alone(configured: Callable[[], Lines]) -> None:
    lines = configured()
    structlog.get_logger("x").info("event")
    assert len(lines()) == 1
    assert [handler.stream for handler in logging.getLogger().handlers] == [sys.stderr]  # type: ignore[attr-defined]


def test_a_process_that_logs_imports_no_rich_and_may_import_it_later() -> None:
    program = "import sys, ingest.logs; assert not {'rich', 'pygments'} & set(sys.modules); import rich.console"
    subprocess.run([sys.executable, "-c", program], check=True)
