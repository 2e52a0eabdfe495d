"""The supervisor: what dies is started again, what keeps dying is given up, and all are stopped in order."""

import os
import select
import signal
import subprocess
import sys

import pytest

from cli.errors import StackError
from cli.stack.child import Program
from cli.stack.supervisor import Supervisor

OWNER = """
import sys
from pathlib import Path
from cli.stack.child import Program
from cli.stack.supervisor import Supervisor

supervisor, pids = Supervisor(Path(sys.argv[1])), Path(sys.argv[3])
supervisor.start(Program("parent", ("/bin/sh", "-c", sys.argv[2])))
supervisor.poll_until(lambda: pids.exists() and pids.read_text().endswith("\\n"), "no pids", 10)
print("up", flush=True)
supervisor.poll_until(lambda: False, "nobody killed it", 60)
"""


def shell(name, script, **overrides):
    return Program(name, ("/bin/sh", "-c", script), **overrides)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def forever(tmp_path):
    """A shell command that blocks until a signal comes."""
    os.mkfifo(tmp_path / "never")
    return f"exec 9<>{tmp_path / 'never'}; read -r _ <&9"


def test_what_dies_is_started_again_and_that_is_said(log, tmp_path, forever):
    script = f"echo life >> {tmp_path}/lives; test $(wc -l < {tmp_path}/lives) -gt 1 || exit 3; {forever}"
    with Supervisor(log) as supervisor:
        supervisor.start(shell("cat", script))
        lives = tmp_path / "lives"
        supervisor.poll_until(
            lambda: lives.exists() and lives.read_text().count("life") == 2, "there is no second life", 10
        )
    assert log.read_text() == "sluice: cat ended with 3 and is started again in 0.5 s\n"


def test_what_keeps_dying_is_given_up_by_name(log):
    with Supervisor(log) as supervisor:
        supervisor.start(shell("moth", "exit 1"))
        with pytest.raises(StackError, match=r"moth ended with 1, 5 times in a row"):
            supervisor.poll_until(lambda: False, "it lives", 30)


def test_what_keeps_dying_after_all_was_well_is_tried_again_and_again(log, tmp_path, forever, monkeypatch):
    monkeypatch.setattr("cli.stack.supervisor._FIRST_PAUSE_SECONDS", 0.01)
    script = f"echo life >> {tmp_path}/lives; test $(wc -l < {tmp_path}/lives) -gt 7 || exit 3; {forever}"
    with Supervisor(log, lambda: "it is full") as supervisor:
        supervisor.gives_up = False
        supervisor.start(shell("moth", script))
        lives = tmp_path / "lives"
        supervisor.poll_until(lambda: lives.exists() and lives.read_text().count("life") == 8, "it was given up", 30)
    pauses = ["0.01", "0.02", "0.04", "0.08", "0.16", "0.32", "0.64"]
    assert log.read_text().splitlines() == [
        f"sluice: moth ended with 3 and is started again in {pause} s: it is full" for pause in pauses
    ]


def test_the_last_started_is_stopped_first(log, forever):
    with Supervisor(log) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(shell(name, f"trap 'echo {name} stops; exit 0' TERM; echo {name} is up; {forever}"))
        supervisor.poll_until(lambda: log.read_text().count("is up") == 3, "they are not up", 10)
    assert log.read_text().splitlines()[3:] == ["third stops", "second stops", "first stops"]


def test_what_does_not_stop_in_time_is_killed(log, forever):
    with Supervisor(log) as supervisor:
        supervisor.start(shell("deaf", f"trap '' TERM; echo up; {forever}", grace_seconds=0.2))
        supervisor.poll_until(lambda: "up" in log.read_text(), "it is not up", 10)
    assert log.read_text().splitlines()[-1] == "sluice: deaf did not stop within 0 s and is killed"


def test_what_a_program_leaves_behind_goes_with_it(log, tmp_path, forever):
    with Supervisor(log) as supervisor:
        supervisor.start(shell("parent", f"sh -c '{forever}' & echo $! > {tmp_path}/child; wait"))
        child = tmp_path / "child"
        supervisor.poll_until(lambda: child.exists() and child.read_text().endswith("\n"), "no child", 10)
        orphan = os.pidfd_open(int(child.read_text()))
    assert select.select([orphan], [], [], 5)[0]
    os.close(orphan)


def test_printed_lines_carry_their_programs_label_unfinished_ones_too(capsys):
    with Supervisor(None) as supervisor:
        assert supervisor.run(shell("poet", "printf 'one\ntwo\nand a half'; exit 7"), 10) == 7
    assert capsys.readouterr().out.splitlines() == ["poet     | one", "poet     | two", "poet     | and a half"]


def test_lines_that_say_nothing_are_not_printed(capsys):
    with Supervisor(None) as supervisor:
        supervisor.run(shell("poet", "echo WARNING: verse ahead; echo verse", noise="WARNING: verse"), 10)
    assert capsys.readouterr().out == "poet     | verse\n"


def test_a_program_that_cannot_be_run_is_named(log):
    with Supervisor(log) as supervisor, pytest.raises(StackError, match="cannot start ghost"):
        supervisor.start(Program("ghost", ("/nowhere/ghost",)))


def test_nothing_outlives_a_killed_supervisor_not_even_grandchildren(tmp_path, forever):
    script = f"sh -c '{forever}' & echo $$ $! > {tmp_path}/pids; wait"
    argv = [sys.executable, "-c", OWNER, str(tmp_path / "log"), script, str(tmp_path / "pids")]
    owner = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "up\n"
    family = [os.pidfd_open(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    for member in family:
        assert select.select([member], [], [], 5)[0]
        os.close(member)
