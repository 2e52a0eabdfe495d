"""`sluice doctor`: whether what Sluice stands on is as it should be.

machine database broker    what is looked at, each a line
line                       a line: how it stands, what was found, what to do

Facts about the database come from `ingest.db.doctor`; how much of anything is too much is judged here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import click

from cli.options import data_dir_option, json_option, print_json, settings_here
from cli.stack.datadir import DataDir
from cli.stack.running import embedded_urls
from cli.terminal import printable
from ingest.doctor import broker, database, machine
from ingest.doctor.line import Level, Line, fail, ok
from ingest.errors import SettingsError

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_NAME_WIDTH = 14
_INDENT = " " * (6 + _NAME_WIDTH + 1)


@click.command()
@data_dir_option
@json_option
@click.pass_context
def doctor(context: click.Context, data_dir: Path, *, as_json: bool) -> None:
    """Look at what Sluice stands on: settings, database, broker, processes, clocks, disk, waiting jobs.

    Only reads, and takes some seconds. Each line says how it stands (ok, warn or FAIL), what was found, and what to do.
    Works when the servers are down, too: that is one of its findings. Exits 1 if anything is FAIL, and 0 otherwise.

    Example: sluice doctor --json
    """
    lines = list(examine(data_dir)) if as_json else list(_shown(examine(data_dir)))
    fails = sum(line.level is Level.FAIL for line in lines)
    warnings = sum(line.level is Level.WARN for line in lines)
    if as_json:
        checks = [
            {"name": line.name, "level": line.level.value.lower(), "found": line.found, "advice": line.advice or None}
            for line in lines
        ]
        print_json({"ok": fails == 0, "fails": fails, "warnings": warnings, "checks": checks})
    else:
        click.echo(_summary(fails, warnings))
    context.exit(1 if fails else 0)


def examine(data_dir: Path) -> Iterator[Line]:
    """Yield every line of the check-up, as it comes.

    Args:
        data_dir: where the embedded stack keeps its data, if there is one.
    """
    yield machine.python()
    yield machine.packages()
    yield machine.environment()
    try:
        settings = settings_here(data_dir)
    except SettingsError as error:
        _, *mistakes = error.message.splitlines()
        found = "; ".join(mistake.strip() for mistake in mistakes)
        yield fail("settings", found, "Mend them (.env.example explains each), then run this again for all the rest")
        return
    yield ok("settings", "all are right")
    yield machine.door(os.environ, behind_proxy=settings.behind_proxy)
    embedded = embedded_urls()
    if directory := settings.database_dir or ("DATABASE_URL" in embedded and DataDir(data_dir).path):
        yield from machine.disk(Path(directory), settings.min_free_disk_bytes)
    yield from database.examine(settings, data_dir if "DATABASE_URL" in embedded else None)
    yield from broker.examine(settings.redis_url, embedded="REDIS_URL" in embedded)


def _shown(lines: Iterator[Line]) -> Iterator[Line]:
    """Print each as it comes: a server that does not answer takes seconds."""
    for line in lines:
        level = click.style(f"{line.level:<4}", fg=_COLOURS[line.level])
        click.echo(f"{level}  {line.name:<{_NAME_WIDTH}} {printable(line.found)}")
        if line.advice:
            click.echo(f"{_INDENT}What to do: {printable(line.advice)}.")
        yield line


def _summary(fails: int, warnings: int) -> str:
    if not fails and not warnings:
        return "\nAll is well."
    return f"\n{fails} FAIL, {warnings} warn." + ("" if fails else " It works; see to the warnings.")
