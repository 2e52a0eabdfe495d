"""A table for the terminal, JSON for programs, and Markdown for readers of the repository."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import RATE, Outcome


def as_json(machine: dict[str, Any], outcomes: Iterable[Outcome]) -> dict[str, Any]:
    return {"rows": [_row(machine, outcome) for outcome in outcomes]}


def merged(stored: dict[str, Any], measured: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the last results of each row, in the order of the names."""
    rows = {row["name"]: row for results in (stored, measured) for row in results["rows"]}
    return {"rows": [rows[name] for name in names if name in rows]}


def _row(machine: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "machine": machine,
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


def as_markdown(results: dict[str, Any]) -> str:
    """Return a page of what `as_json` returned."""
    return "\n".join(_page(results)) + "\n"


def _page(results: dict[str, Any]) -> Iterator[str]:
    yield "# The last results of each row"
    yield ""
    yield "`make bench SAVE=1` writes this and [results.json](results.json). [README](README.md) tells of each row."
    yield ""
    yield "| row | sides: median (least to most) a second | measured | goal | when, and on what |"
    yield "|---|---|---|---|---|"
    for row in results["rows"]:
        sides = "<br>".join(map(_cell, row["sides"]))
        measured = "<br>".join(f"{goal['what']}: {goal['value']:.2f}" for goal in row["goals"])
        goals = "<br>".join(_wanted(goal) + ("" if goal["met"] else ", **missed**") for goal in row["goals"])
        yield f"| {row['title']} (`{row['name']}`) | {sides} | {measured} | {goals} | {_place(row['machine'])} |"


def _place(machine: dict[str, Any]) -> str:
    return (
        f"{machine['date'][:10]}, {machine['cores']} cores ({machine['processor']}), "
        f"Postgres {machine['postgres']['server_version']}, load before {machine['load_before']}"
    )


def _cell(side: dict[str, Any]) -> str:
    rate = side[RATE]
    others = [f", {name} {found['median']:,.1f}" for name, found in side.items() if name not in ("name", RATE)]
    return f"{side['name']}: {rate['median']:,.0f} ({rate['min']:,.0f} to {rate['max']:,.0f})" + "".join(others)


def _wanted(goal: dict[str, Any]) -> str:
    return f"≥ {goal['at_least']}" if "at_least" in goal else f"≤ {goal['at_most']}"


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
            "\n".join(map(_wanted, goals)),
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
