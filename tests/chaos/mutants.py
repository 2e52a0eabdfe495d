"""Takes out what keeps the promises, one thing at a time, in a copy of the tree: some test must fail each time.

`python -m tests.chaos.mutants`, or `make chaos-mutants`. Ends with status 1 where a mutant lives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PARTS = ("ingest", "app", "worker", "cli", "tests")
_FILES = ("pyproject.toml", "Procfile")

# Some mutants are noticed by what never happens: no need to wait for it as long as for what does.
_PATIENCE_SECONDS = "20"
_TESTS_FAILED = 1  # pytest's exit status; any other says that the tests themselves are broken


@dataclass(frozen=True)
class Mutant:
    """What is taken out, and who must notice.

    Attributes:
        changes: file, text that stands there once, and what takes its place.
        tests: pytest's names; each of them passes on the tree as it is, and at least one fails on the mutant.
    """

    name: str
    changes: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]


_LOCK = """  AND no = (SELECT min(no) FROM job_blocks WHERE job_id = %(job_id)s AND open)
FOR UPDATE SKIP LOCKED
"""

MUTANTS = (
    Mutant(
        "the block lock",
        (("ingest/db/blocks.py", _LOCK, _LOCK.replace("FOR UPDATE SKIP LOCKED\n", "")),),
        ("tests/chaos/test_deliveries.py::test_a_second_delivery_leaves_a_block_alone_that_is_held",),
    ),
    Mutant(
        "one transaction for what is written and what is recorded",
        (
            (
                "ingest/executor.py",
                '    faultpoints.passing("block.written")\n',
                '    conn.commit()\n    faultpoints.passing("block.written")\n',
            ),
        ),
        ("tests/chaos/test_crash_points.py::test_kill_9_at_each_block_of_a_job_loses_and_doubles_nothing",),
    ),
    Mutant(
        "sweep",
        (("worker/sweep.py", "looked = upkeep.look(conn, limit=_MOST_LOOKED_AT)", "looked = []"),),
        ("tests/chaos/test_broker.py::test_a_job_that_lost_its_message_begins_by_sweep",),
    ),
    Mutant(
        "the sort",
        (
            ("ingest/writing.py", "[sorted(turn, key=kind.key) for turn in turns]", "turns"),
            ("ingest/db/entities.py", "sorted(entities, key=lambda entity: entity.external_id)", "list(entities)"),
        ),
        ("tests/worker/test_recovery.py::test_two_workers_and_20_jobs_over_the_same_500_keys_do_not_deadlock",),
    ),
    Mutant(
        "the finish guard",
        (
            (
                "ingest/db/jobs.py",
                "WHERE id = %(job_id)s AND status = 'processing'\nRETURNING status",
                "WHERE id = %(job_id)s\nRETURNING status",
            ),
        ),
        ("tests/chaos/test_deliveries.py::test_a_job_cancelled_in_its_last_block_stays_cancelled",),
    ),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-mutants-") as folder:
        tree = Path(folder)
        _copy(tree)
        every_test = sorted({test for mutant in MUTANTS for test in mutant.tests})
        status, told = _run(tree, every_test)
        if status != 0:
            sys.exit(f"the tests fail on the tree as it is:\n{told}")
        alive = [mutant.name for mutant in MUTANTS if not _is_noticed(tree, mutant)]
    sys.exit(f"not noticed: {', '.join(alive)}" if alive else 0)


def _is_noticed(tree: Path, mutant: Mutant) -> bool:
    former = {file: (tree / file).read_text(encoding="utf-8") for file, _, _ in mutant.changes}
    for file, text, instead in mutant.changes:
        present = (tree / file).read_text(encoding="utf-8")
        assert present.count(text) == 1, f"{file} has changed: {text!r} is not there once"
        (tree / file).write_text(present.replace(text, instead), encoding="utf-8")
    status, told = _run(tree, [*mutant.tests])
    for file, text in former.items():
        (tree / file).write_text(text, encoding="utf-8")
    noticed = status == _TESTS_FAILED
    sys.stdout.write(f"without {mutant.name}: {'noticed' if noticed else 'NOT NOTICED'}\n{told}\n")
    sys.stdout.flush()
    return noticed


def _run(tree: Path, tests: list[str]) -> tuple[int, str]:
    """pytest's exit status, and the failures that it lists at its end; all that it said where it could not run."""
    env = {**os.environ, "PYTHONPATH": str(tree), "CHAOS_PATIENCE_SECONDS": _PATIENCE_SECONDS}
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    done = subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in {0, _TESTS_FAILED}:
        return done.returncode, done.stdout + done.stderr
    return done.returncode, "\n".join(f"  {line}" for line in done.stdout.splitlines() if line.startswith("FAILED"))


def _copy(tree: Path) -> None:
    for part in _PARTS:
        shutil.copytree(_ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _FILES:
        shutil.copy(_ROOT / file, tree / file)


if __name__ == "__main__":
    main()
