"""A `sluice-client load` that ends processes at requests of its own: itself, the API or the worker.

    python -m tests.chaos.breaking_loader '{"7": "web", "9": "loader"}' FOLDER load --kind events ...

kills the API before the seventh request, and this process before the ninth. `FOLDER/groups` holds the process groups of
web and worker as they are now; `FOLDER/ended` is written with the name of each process that was ended.
"""

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
from sluice_client.cli.commands import main

PROGRAM = str(Path(sys.executable).with_name("sluice-client"))


class Breaker:
    """Ends processes at requests.

    Args:
        victims: `loader`, `terminated` (the loader by a signal that it heeds), `web` or `worker`, by request.
        folder: of the two files.
    """

    def __init__(self, victims: dict[int, str], folder: Path) -> None:
        self._victims, self._folder, self._numbers = victims, folder, count()

    def before_request(self) -> None:
        """Count a request, and end what is to end before it."""
        victim = self._victims.get(next(self._numbers))
        if victim == "terminated":
            self._tell(victim)
            os.kill(os.getpid(), signal.SIGTERM)
        elif victim == "loader":
            self._tell(victim)
            os.kill(os.getpid(), signal.SIGKILL)
        elif victim is not None:
            try:
                os.killpg(json.loads((self._folder / "groups").read_text())[victim], signal.SIGKILL)
            except ProcessLookupError:  # it was killed before, and another one is being started
                return
            self._tell(victim)

    def _tell(self, victim: str) -> None:
        with (self._folder / "ended").open("a", encoding="ascii") as file:
            file.write(f"{victim}\n")


def break_at(breaker: Breaker) -> None:
    """Have all requests of this process counted."""
    send = httpx2.Client.send

    def sent(self: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        breaker.before_request()
        return send(self, request, **options)

    httpx2.Client.send = sent  # type: ignore[method-assign]


if __name__ == "__main__":
    by_request = {int(number): victim for number, victim in json.loads(sys.argv[1]).items()}
    break_at(Breaker(by_request, Path(sys.argv[2])))
    sys.argv[0] = PROGRAM  # which the command that goes on begins with
    main(sys.argv[3:], prog_name="sluice-client")
