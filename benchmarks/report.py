"""A table for people, JSON for programs."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import RATE, Outcome


def as_json(machine: dict[str, Any], outcomes: Iterable[Outcome]) -> dict[str, Any]:
    return {"machine": machine, "rows": [_row(outcome) for outcome in outcomes]}


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "title": outcome.row.title,
        "unit": outcome.row.unit,
        "sides": [
            {
                "name": side,
                **{
                    figure: {"median": outcome.median(side, figure), "min": min(values), "max": max(values)}
                    | {"samples": values}
                    for figure, values in figures.items()
                },
            }
            for side, figures in outcome.samples.items()
        ],
        "goals": list(outcome.judged()),
        "notes": list(outcome.row.notes),
    }


def show(console: Console, machine: dict[str, Any], outcomes: Iterable[Outcome]) -> None:
    server = machine["postgres"]
    console.print(
        f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}, "
        f"Postgres {server['server_version']}; for every side fsync={server['fsync']}, "
        f"synchronous_commit={server['synchronous_commit']}. A side: median (least to most) a second.",
        highlight=False,
    )
    table = Table(show_lines=True)
    for name in ("row", "sides, a second", "ratio of medians", "goal", ""):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        goals = list(outcome.judged())
        table.add_row(
            f"{outcome.row.title}\n[dim]{outcome.name}[/]",
            "\n".join(_side(outcome, side) for side in outcome.samples),
            "\n".join(f"{goal['what']}: {goal['value']:.2f}" for goal in goals),
            "\n".join(f"≥ {goal['at_least']}" if "at_least" in goal else f"≤ {goal['at_most']}" for goal in goals),
            "\n".join("[green]met[/]" if goal["met"] else "[red]missed[/]" for goal in goals),
        )
    console.print(table)
    for outcome in outcomes:
        for note in outcome.row.notes:
            console.print(f"{outcome.name}: {note}", highlight=False)


def _side(outcome: Outcome, side: str) -> str:
    rates = outcome.samples[side][RATE]
    others = [f", {figure} {outcome.median(side, figure):,.1f}" for figure in outcome.samples[side] if figure != RATE]
    return f"{side}: {outcome.median(side):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})" + "".join(others)
