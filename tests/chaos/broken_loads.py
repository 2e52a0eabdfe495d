"""Loads whose processes are ended at random, and which are gone on with as the command says."""

import json
import os
import random
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.breaking_loader import PROGRAM
from tests.chaos.deployment import Deployment
from tests.support.processes import ROOT, Process

_VICTIMS = ("loader", "terminated", "web", "worker")
_ENDS = {0, -9, 69, 75}
_GOES_ON = "Go on with it by:"
_REQUESTS = 500  # of one run: more than any has, or it is killed no more


@dataclass
class Tally:
    """The processes that were ended, and how often a load was gone on with: by a printed command, or the same again."""

    ended: Counter[str] = field(default_factory=Counter)
    printed: int = 0
    again: int = 0

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {self.ended[name]}" for name in _VICTIMS)
        return f"ended: {kills}; gone on by the printed command {self.printed}, by the same with --resume {self.again}"

    def add(self, other: "Tally") -> None:
        self.ended += other.ended
        self.printed += other.printed
        self.again += other.again


class Stack:
    """API, worker and sweeper; each that was killed is started again while a loader runs.

    Args:
        deployment: that they are of.
        folder: for the files of `breaking_loader`.
    """

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self._deployment, self._folder = deployment, folder
        self._start: dict[str, Callable[[], Process]] = {"web": deployment.web, "worker": deployment.worker}
        self._processes = {name: start() for name, start in self._start.items()}
        deployment.sweep()
        self._tell_groups()

    def load(self, dice: random.Random, arguments: list[str], *, often: float, most: int) -> Tally:
        """Load a file until a run comes to its end, each run with other victims.

        Args:
            dice: choose them.
            arguments: of `sluice-client`.
            often: the chance of a request that a process ends before it.
            most: runs that the load may need.
        """
        tally = Tally()
        for _ in range(most):
            victims = {place: dice.choice(_VICTIMS) for place in range(_REQUESTS) if dice.random() < often}
            code, said = self._run(victims, arguments)
            assert code in _ENDS, said
            if code == 0:
                tally.ended.update((self._folder / "ended").read_text(encoding="ascii").split())
                (self._folder / "ended").unlink()
                return tally
            if _GOES_ON in said:
                tally.printed += 1
                program, *arguments = shlex.split(said.splitlines()[-1])
                assert program == PROGRAM
            else:
                tally.again += 1
                arguments = ["load", "--resume", *(word for word in arguments[1:] if word != "--resume")]
        raise AssertionError(f"the load did not end in {most} runs: {tally}")

    def _run(self, victims: dict[int, str], arguments: list[str]) -> tuple[int, str]:
        """Run the loader once; return how it ended and what it said."""
        (self._folder / "ended").touch()
        env = {
            **os.environ,
            "SLUICE_URL": self._deployment.api,
            "SLUICE_KEY": self._deployment.customers[0].operator_key,
        }
        argv = [sys.executable, "-m", "tests.chaos.breaking_loader", json.dumps(victims), self._folder, *arguments]
        loader = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while True:
            with suppress(subprocess.TimeoutExpired):
                return loader.wait(0.05), loader.communicate()[1]
            self._mend()

    def _mend(self) -> None:
        for name, process in self._processes.items():
            if process.forked.poll() is not None:
                self._processes[name] = self._start[name]()
                self._tell_groups()

    def _tell_groups(self) -> None:
        groups = {name: process.forked.pid for name, process in self._processes.items()}
        (self._folder / "groups.new").write_text(json.dumps(groups))
        (self._folder / "groups.new").replace(self._folder / "groups")
