"""The most memory that a command has."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOOK_SECONDS = 0.1


def peak_of(command: Sequence[str | Path], environment: Mapping[str, str]) -> float:
    """Run a command, and return the most memory that it had, in MB.

    The kernel's own account at its end would have the memory of this process in it, from before the command began.
    """
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        peak = max(peak, int(found[1])) if found else peak
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}"
    return peak * 1024 / 1e6
