"""The command `sluice-client`, and the parts of `sluice` that talk with a server by its API.

load         the command's options; `sluice load` is the same command
    run          sources one after the other: sent, followed, their errors kept
    sources      the files that are named, the form and the kind of each
    reading      a source as bytes that the server takes; rows and arrays hold what is done row by row
    numbers      the columns that a template says are numbers
    errorfile    the records that were refused
    screen       progress
    report       what became of it all
    resuming     the command that goes on
watch, top   jobs as they run
wishes       what the options say; parameters holds their values
target       the server and the key
ends         exit codes
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run `sluice-client`."""
    try:
        import click  # noqa: F401, PLC0415 # an extra
    except ModuleNotFoundError:
        sys.exit("This command needs more: pip install 'sluice-client[cli]'")
    from sluice_client.cli.commands import main as run  # noqa: PLC0415

    run(prog_name="sluice-client")
