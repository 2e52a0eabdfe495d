"""Measure: `python -m benchmarks --rounds 5 --only worker-entities,checking`.

A table on standard error, JSON on standard output. With `--save` each row that ends replaces what `results.json`,
`results.md` and the plots beside this file say of it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, plots, report
from benchmarks.measure import Outcome, Skipped, measure
from benchmarks.place import opened
from benchmarks.rows import BY_NAME_ALONE, ROWS
from ingest import logs

_RESULTS = Path(__file__).with_name("results.json")
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
    options.add_argument("--save", action="store_true", help="keep the results beside this file, row by row")
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
                else:
                    if chosen.save:
                        _save(facts, outcomes[-1])
        finally:
            # A row that stops the run leaves what the others took minutes to measure.
            report.show(console, facts, outcomes)
    sys.stdout.write(json.dumps(report.as_json(facts, outcomes), indent=2) + "\n")


def _save(facts: dict[str, Any], outcome: Outcome) -> None:
    """Replace what is kept of a row."""
    stored = json.loads(_RESULTS.read_text(encoding="utf-8"))
    results = report.merged(stored, report.as_json(facts, [outcome]), ROWS)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _RESULTS.with_suffix(".md").write_text(report.as_markdown(results), encoding="utf-8")
    if outcome.row.plot:
        plots.write(_RESULTS.parent, outcome)


if __name__ == "__main__":
    main()
