"""`sluice demo` takes real data through the real system, to the end, wherever it runs."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SLUICE = Path(sys.executable).with_name("sluice")

# Facts about the files in examples/, which its README counts.
FAULTS = {"NOT_FOUND": 926 + 627, "VALIDATION_FAILED": 345 + 3 + 4}  # the last 4 are sent with values of wrong types
SENT = 16 + 1458 + 3322 + 6104 + 3819 + 322 + 4  # 322 planes are sent twice
UNCHANGED = 322


@pytest.fixture
def empty_folder():
    # Not tmp_path: a socket's path has 107 bytes, and pytest's folders take most of them.
    with tempfile.TemporaryDirectory(prefix="t") as name:
        yield Path(name)


def environment_in(folder):
    return os.environ | {"TMPDIR": str(folder), "COLUMNS": "120", "SLUICE_WEB_WORKERS": "1"}


def run_demo(folder, **environment):
    return subprocess.run(
        [SLUICE, "demo"], env=environment_in(folder) | environment, capture_output=True, text=True, check=False
    )


def totals(text):
    """The numbers of the table's last line: total, created, unchanged and failed."""
    line = next(line for line in text.splitlines() if re.match(r"\s*all\s", line))
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", line)]


def test_the_demonstration_ends_well_and_leaves_nothing(empty_folder):
    demo = run_demo(empty_folder)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    failed = sum(FAULTS.values())
    assert totals(demo.stdout) == [SENT, SENT - UNCHANGED - failed, UNCHANGED, failed]
    counts = dict.fromkeys(FAULTS, 0)
    for items, code in re.findall(r"([\d,]+) (NOT_FOUND|VALIDATION_FAILED) ", demo.stdout):
        counts[code] += int(items.replace(",", ""))
    assert counts == FAULTS
    for message in (
        'Field "seats" must be an integer, not a string',
        'Field "year" must be at most 2013, not 20040',
        'Field "lat" must be at most 90, not ',
        'Field "dst" must be one of "A", "U", "N", not "yes"',
    ):
        assert message in demo.stdout
    assert list(empty_folder.iterdir()) == []


def test_a_second_demonstration_on_the_same_servers_is_as_good_as_the_first(empty_folder, database_url, servers):
    named = {"DATABASE_URL": database_url, "REDIS_URL": servers.redis_url}
    first, second = run_demo(empty_folder, **named), run_demo(empty_folder, **named)
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert totals(first.stdout) == totals(second.stdout)


def test_what_went_wrong_is_said_and_the_exit_is_not_0(empty_folder, servers):
    demo = run_demo(empty_folder, DATABASE_URL="postgresql:///nowhere?host=/nowhere", REDIS_URL=servers.redis_url)
    assert demo.returncode == 1
    assert "Error: " in demo.stderr
    assert "The last lines of the processes" in demo.stdout


def test_one_that_is_told_to_stop_in_the_middle_leaves_nothing_either(empty_folder):
    with subprocess.Popen(
        [SLUICE, "demo"], env=environment_in(empty_folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert any(line.startswith("Entities") for line in demo.stdout)
        demo.send_signal(signal.SIGTERM)
        rest = demo.stdout.read()
    assert demo.returncode == 128 + signal.SIGTERM
    assert "Done" not in rest
    assert list(empty_folder.iterdir()) == []
