"""`sluice load` while loader, API and worker are killed: every record is stored once, by the same command again."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.duration import LONG
from tests.support.processes import ROOT, Process

_ROWS, _MOST_KILLS, _REQUESTS = 60, 4, 20
_TRIES = 30

_STORED = """
SELECT array_agg((properties->>'n')::int ORDER BY (properties->>'n')::int) FROM events WHERE properties->>'run' = %s
"""


class Stack:
    """API and worker, each started again where it was killed."""

    def __init__(self, deployment: Deployment) -> None:
        self._start: list[Callable[[], Process]] = [deployment.web, deployment.worker]
        self.processes = [start() for start in self._start]
        deployment.sweep()

    def mend(self) -> None:
        for place, process in enumerate(self.processes):
            if process.popen.poll() is not None:
                self.processes[place] = self._start[place]()


def run_once(deployment: Deployment, stack: Stack, dice: random.Random, command: list[str]) -> int:
    """Run the loader with seeded kills at its requests, start again what else it kills, and return how it ended."""
    groups = [0, *(process.popen.pid for process in stack.processes)]
    victims = {dice.randrange(_REQUESTS): dice.choice(groups) for _ in range(dice.randint(0, _MOST_KILLS))}
    env = {**os.environ, "SLUICE_URL": deployment.api, "SLUICE_KEY": deployment.customers[0].operator_key}
    argv = [sys.executable, "-m", "tests.chaos.breaking_loader", json.dumps(victims), *command]
    loader = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while loader.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            loader.wait(0.05)
        stack.mend()
    assert loader.stderr is not None
    said = loader.stderr.read()
    loader.stderr.close()
    assert loader.returncode in {0, -9, 69, 75}, said
    return loader.returncode


@pytest.mark.parametrize("number", range(10 if LONG else 1))
def test_a_load_whose_processes_are_killed_at_random_loses_and_doubles_nothing(
    deployment: Deployment, tmp_path: Path, number: int
) -> None:
    client = deployment.ready_client()
    stack, witness = Stack(deployment), deployment.witness()
    for run in range(10 if LONG else 3):
        dice = random.Random(f"{deployment.seed}/{number}/{run}")
        file = tmp_path / f"{run}.csv"
        rows = [f"{client.entity(place % 12)},{run},{place}\n" for place in range(_ROWS)]
        file.write_text("externalId,run,n\n" + "".join(rows))
        options = ["--kind", "events", "--type", "session", "--segment", "400B", "--progress", "off"]
        command = ["load", *options, str(file)]
        ends = [run_once(deployment, stack, dice, command)]
        while ends[-1] != 0:
            assert len(ends) < _TRIES, ends
            ends.append(run_once(deployment, stack, dice, ["load", "--resume", *options, str(file)]))
        assert witness.one(_STORED, str(run)) == [*range(_ROWS)], f"run {run}: {ends}"
        assert [path.name for path in tmp_path.glob("*.sluice-journal")] == []
