"""Measure: `python -m benchmarks --rounds 5 --only worker-entities,checking`.

A table on standard error, JSON on standard output, and plots beside this file; a run of all rows writes `results.json`
and `results.md`.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import machine, plots, report
from benchmarks.measure import Outcome, Skipped, measure
from benchmarks.place import opened
from benchmarks.rows import BY_NAME_ALONE, ROWS
from ingest import logs

_HERE = Path(__file__).parent
_FEWEST_ROUNDS = 5
_ROUNDS_OF_A_PLOT = 3  # it shows a shape, and has many points


def _rounds(text: str) -> int:
    if int(text) < _FEWEST_ROUNDS:
        raise argparse.ArgumentTypeError(f"a median wants {_FEWEST_ROUNDS} rounds or more")
    return int(text)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=_rounds, default=_FEWEST_ROUNDS, help="of every row, after one to warm up")
    options.add_argument("--only", default="", help=f"names, with commas between: {', '.join(ROWS)}")
    chosen = options.parse_args()
    names = chosen.only.split(",") if chosen.only else [name for name in ROWS if name not in BY_NAME_ALONE]
    if unknown := set(names) - set(ROWS):
        options.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    logs.configure("WARNING", "bench")
    console = Console(file=sys.stderr, width=150)
    outcomes: list[Outcome] = []
    with opened() as place:
        facts = machine.describe(place.servers.database_url)
        try:
            for name in names:
                try:
                    with ROWS[name](place) as row:
                        rounds = min(chosen.rounds, _ROUNDS_OF_A_PLOT) if row.plot else chosen.rounds
                        outcomes.append(measure(name, row, rounds, lambda text: console.print(text, style="dim")))
                except Skipped as reason:
                    console.print(f"{name}: left out: {reason}")
        finally:
            # A row that stops the run leaves what the others took minutes to measure.
            report.show(console, facts, outcomes)
    for outcome in outcomes:
        if outcome.row.plot:
            console.print(f"written: {plots.write(_HERE, outcome)}")
    results = report.as_json(facts, outcomes)
    text = json.dumps(results, indent=2) + "\n"
    if not chosen.only:
        (_HERE / "results.json").write_text(text, encoding="utf-8")
        (_HERE / "results.md").write_text(report.as_markdown(results), encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
