"""A `sluice load` that kills processes at requests of its own: itself, or groups of other processes.

    python -m tests.chaos.breaking_loader '{"7": 4711, "9": 0}' load --kind events ...

kills the group 4711 before the seventh request, and this process before the ninth.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from itertools import count
from typing import Any

import httpx2
from sluice_client.cli.commands import main

_ITSELF = 0


def break_at(victims: dict[int, int]) -> None:
    """Kill at requests of these numbers."""
    send, numbers = httpx2.Client.send, count()

    def sent(self: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        victim = victims.get(next(numbers))
        if victim == _ITSELF:
            os.kill(os.getpid(), signal.SIGKILL)
        if victim is not None:
            with suppress(ProcessLookupError):
                os.killpg(victim, signal.SIGKILL)
        return send(self, request, **options)

    httpx2.Client.send = sent  # type: ignore[method-assign]


if __name__ == "__main__":
    break_at({int(number): victim for number, victim in json.loads(sys.argv[1]).items()})
    main(sys.argv[2:], prog_name="sluice-client")
