"""The memory of `sluice load` while it sends a file of 4 GB.

    python -m benchmarks.load_of_4_gb

The command leaves once the file is accepted (`--no-follow`), and its job is cancelled, so that workers do little.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sluice_client import Client

from benchmarks.peak import peak_of
from cli.stack.running import running_stack

_BYTES = 4_000_000_000
_ROW_BYTES, _ROWS_A_PIECE = 4_000, 1_000
_RATE = "100000000/minute"  # what is measured is the memory, not the limit of calls


def main() -> None:
    """Make the file, load it into a stack of its own, and print the figures."""
    os.environ["SLUICE_RATE_BATCH"] = _RATE
    with (
        tempfile.TemporaryDirectory() as name,
        running_stack(Path(name) / "data", port=None, flower_port=None, workers=1) as stack,
    ):
        file = Path(name) / "players.csv"
        rows = write(file)
        command = (Path(sys.executable).with_name("sluice"), "load", "--kind", "entities", "--type", "player")
        began = time.perf_counter()
        environment = {**os.environ, "SLUICE_URL": stack.api, "SLUICE_KEY": stack.key}
        megabytes = peak_of((*command, "--no-follow", file), environment)
        seconds = time.perf_counter() - began
        with Client(stack.api, key=stack.key) as client:
            [job] = client.jobs.list()
            total = job.cancel().total
        assert total == rows, f"{total} of {rows}"
    print(json.dumps({"bytes": _BYTES, "rows": rows, "seconds": round(seconds, 1), "megabytes": round(megabytes, 1)}))


def write(file: Path) -> int:
    """Write rows of some kilobytes, the same again and again, and return how many."""
    filler = "lorem ipsum " * (_ROW_BYTES // 12)
    piece = "".join(f"player_{number:07},a@example.com,{filler}\n" for number in range(_ROWS_A_PIECE)).encode()
    with file.open("wb") as content:
        content.write(b"externalId,email,note\n")
        for _ in range(_BYTES // len(piece)):
            content.write(piece)
    return _BYTES // len(piece) * _ROWS_A_PIECE


if __name__ == "__main__":
    main()
