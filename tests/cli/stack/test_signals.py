"""Ctrl-C, TERM and HUP end a program alike, each in a process of its own."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal
from cli.stack.signals import orderly_end
try:
    with orderly_end():
        print("up", flush=True)
        signal.pause()
except BaseException as end:
    print(type(end).__name__, getattr(end, "code", None), flush=True)
"""
# While it stops, it gets all of them once more.
STOPPING = """
import os, signal
from cli.stack.signals import orderly_end
try:
    with orderly_end():
        try:
            print("up", flush=True)
            signal.pause()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            print("stopped in order", flush=True)
except BaseException:
    pass
"""


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (signal.SIGINT, "KeyboardInterrupt None"),
        (signal.SIGTERM, "SystemExit 143"),
        (signal.SIGHUP, "SystemExit 129"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_signal_ends_the_body(number, end):
    assert _said_after(PROGRAM, number) == [end]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_no_further_signal_disturbs_the_stopping(number):
    assert _said_after(STOPPING, number) == ["stopped in order"]


def test_a_hangup_that_is_ignored_stays_so_since_nohup_means_it():
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + PROGRAM
    with subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().splitlines() == ["SystemExit 143"]


def _said_after(program, number):
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        return process.stdout.read().splitlines()
