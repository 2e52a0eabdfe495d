"""`sluice` as a person runs it: a process of its own, on private data and free ports."""

import json
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
from click.testing import CliRunner

from cli import main

SLUICE = Path(sys.executable).with_name("sluice")

# Of a stack that tests start: a second process of each kind costs its imports, and shows nothing more.
_FEW_PROCESSES = {"SLUICE_WEB_WORKERS": "1", "SLUICE_WORKER_PROCESSES": "1"}


def environment(**settings):
    """This process's, without what would change what `sluice` does."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "FLOWER_"))} | settings


def sluice(*arguments, **settings):
    """Run one command to its end."""
    return subprocess.run(
        [SLUICE, *arguments], env=environment(**settings), capture_output=True, text=True, check=False, timeout=60
    )


def command_result(*arguments, **settings):
    """Run one command to its end in this process: the JSON that it prints, or its exit code and message."""
    others = {name: None for name in os.environ if name.startswith(("SLUICE_", "FLOWER_"))}
    done = CliRunner().invoke(main, [*arguments, "--json"], env=others | settings, prog_name="sluice")
    return json.loads(done.stdout) if done.exit_code == 0 else (done.exit_code, done.stderr)


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(count):
    """Return the first of so many free ports in a row."""
    while True:
        first = free_port()
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(closing(socket.socket())).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


class Up:
    """A running `sluice up`.

    Args:
        data_dir: its data.
        options: more arguments.
        settings: more environment.
    """

    def __init__(self, data_dir, *options, **settings):
        self.data_dir = data_dir
        self.port, self.flower_port = free_port(), free_port()
        ports = ("--port", str(self.port), "--flower-port", str(self.flower_port))
        self.process = subprocess.Popen(
            [SLUICE, "up", "--data-dir", data_dir, *ports, *options],
            env=environment(**_FEW_PROCESSES | settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = []
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, pattern, seconds=60.0):
        """Wait for a line that the pattern matches as a whole."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            assert line is not None, "\n".join(["it ended:", *self.output])
            if found := re.fullmatch(pattern, line):
                return found

    def ready(self):
        """Wait until it says so, and read what it says then."""
        self.line("ready", seconds=300.0)  # `up` itself ends sooner with a reason, but on a machine that is very busy
        self.api = self.line(r"  API     (\S+)")[1]
        self.key = self.line(r"  key     (\S+) .*")[1]
        self.console = self.line(r"  console (.*)")[1]
        self.flower, *self.flower_login = self.line(r"  flower  (\S+)   \(login (\S+), password (\S+)\)").groups()
        lines = [self.line(r"curl .* \\")[0]]
        while lines[-1].endswith("\\"):
            lines.append(self.line(".*")[0])
        self.curl = "\n".join(lines)
        return self

    def client(self):
        """A client of its API with its key."""
        return httpx2.Client(base_url=self.api, headers={"Authorization": f"Bearer {self.key}"}, timeout=40)

    def family(self):
        """Handles of the process and of all that descend from it now."""
        return [os.pidfd_open(pid) for pid in descendants(self.process.pid)]

    def end(self, number=signal.SIGTERM, seconds=60.0):
        """Send a signal, and wait for the end. Returns the exit code."""
        self.process.send_signal(number)
        self.process.wait(seconds)
        return self.process.returncode

    def close(self):
        """Leave nothing behind, whatever the test did."""
        if self.process.poll() is None:
            self.end()
        self._reader.join(10)
        self.process.stdout.close()


def descendants(root):
    """The pids of a process and of its children, their children, and so on."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(rest[1]), []).append(int(pid))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def all_gone(family, seconds):
    """Return True if all these processes end within that time; close the handles."""
    deadline = time.monotonic() + seconds

    def is_gone(pidfd):
        poller = select.poll()  # select takes no descriptor over 1,023
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(max(deadline - time.monotonic(), 0) * 1000))

    try:
        return all(map(is_gone, family))
    finally:
        for pidfd in family:
            os.close(pidfd)


def run_pasted(command):
    """Run a command as if pasted into a shell, and return the JSON that it prints."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
