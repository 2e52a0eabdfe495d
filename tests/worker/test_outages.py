"""A process without its database says so once a minute, not once a second."""

import json
import os
import socket
import subprocess
import sys

import pytest

from ingest.errors import DatabaseError, Unavailable
from worker.outages import Outages


def test_an_error_is_news_if_it_is_another_one_or_a_minute_passed_or_work_went_on() -> None:
    now = 0.0
    outages = Outages(clock=lambda: now)
    refused, full = Unavailable("08006"), DatabaseError("53100")
    assert [outages.is_news(error) for error in (refused, refused, full, full, refused)] == [True, False] * 2 + [True]
    now = 59.0
    assert not outages.is_news(refused)
    now = 60.0
    assert outages.is_news(refused)
    outages.over()
    assert outages.is_news(refused)


@pytest.mark.parametrize("process", ["sweep", "webhooks"])
def test_a_process_logs_once_that_the_database_is_away(process: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as port:
        port.settimeout(60)
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql://127.0.0.1:{port.getsockname()[1]}/none?sslmode=disable",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        running = subprocess.Popen(
            [sys.executable, "-m", f"worker.{process}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            for _attempt in range(3):
                port.accept()[0].close()
        finally:
            running.terminate()
        output, _ = running.communicate(timeout=60)
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert events.count(f"{process}_lost_the_database") == 1
