"""`load`: the command that loads files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from sluice_client.cli.ends import AWAY, INTERRUPTED, PUT_OFF, Terminated, code_of, told
from sluice_client.cli.errorfile import ErrorFiles
from sluice_client.cli.parameters import BYTES, LIMIT
from sluice_client.cli.resuming import resume_command
from sluice_client.cli.rows import DATE_FORMATS
from sluice_client.cli.run import Run, probed
from sluice_client.cli.screen import Screen, say, screen_of
from sluice_client.cli.sources import FORMATS, named
from sluice_client.cli.target import Target, target_of, target_options
from sluice_client.cli.waiting import waits_told
from sluice_client.cli.wishes import Wishes, check_together, wishes_of
from sluice_client.errors import OtherLoad, SluiceError
from sluice_client.journal import FOLDER

_SHOW_CURSOR = b"\x1b[?25h"  # which the bars have hidden

_HELP = """Load files of CSV or JSON, and tell what became of each item.

    FILE is of CSV, lines of JSON or a JSON array: .csv .tsv .ndjson .jsonl .json, each also .gz or .zst. A pattern in
    quotes is heeded ('data/*.csv'), and - is standard input. A file becomes one job, and takes effect in its order.

    A load that breaks off prints the command that goes on with it: only what had not arrived is sent again, and nothing
    is stored twice, whatever was under way. FILE.sluice-journal says until then where it stands. Of standard input, the
    command needs the same bytes again.

    Records that are refused go to FILE.failed.ndjson, each as it was with the reason; the file is corrected and loaded
    as it is. All others are stored.

    \b
    Exit codes: 0 all items were taken, 3 some were not, 4 too many failed (--max-errors),
    1 nothing could be done, 2 wrong usage, 69 the server is away, 75 put off: run the
    printed command again, 78 no key or no address, 130 Ctrl-C: the first ends the load
    and says what stands, the second leaves at once.

    \b
    Examples:
      sluice load --kind entities --type player players.csv
      sluice load --kind events --map externalId=player_id --dry-run 'export/*.csv.gz'
      zcat events.ndjson.gz | sluice load --kind events -
    """


@click.command(help=_HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--kind", type=click.Choice(["entities", "events", "states"]),
    help="What the items are; else the first record tells, by its entityType, eventType or stateKey.",
)  # fmt: skip
@target_options
@click.option(
    "--type", "type_", metavar="NAME", help="The entityType, eventType or stateKey of each row that has none."
)
@click.option(
    "--map", "mapped", metavar="FIELD=COLUMN", multiple=True,
    help="A column of CSV by our name, as in externalId=ID or data.email=E-mail; FIELD:number gives it a type. May be "
    "repeated; other columns keep their names.",
)  # fmt: skip
@click.option(
    "--map-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help='The same as JSON: {"externalId": "ID", "data.email": "E-mail"}.',
)  # fmt: skip
@click.option("--format", "format_", type=click.Choice(sorted(FORMATS)), help="Of all files, whatever their names say.")
@click.option("--delimiter", metavar="CHARACTER", help="Between the cells of CSV: one character, or tab.")
@click.option(
    "--encoding", metavar="NAME", help="Of the files, as in latin-1 or cp1252; else UTF-8, or UTF-16 by its mark."
)
@click.option(
    "--decimal-comma",
    is_flag=True,
    help="Numbers of CSV have a comma: 1.234,50. Columns hold numbers if the template, their header or --map says so.",
)
@click.option(
    "--date-format", type=click.Choice(DATE_FORMATS),
    help="Of dates in the column timestamp, and in those that --map calls :date or :datetime; times are UTC.",
)  # fmt: skip
@click.option(
    "--null",
    metavar="TEXT",
    help="Cells of CSV that are TEXT, and empty ones, are null; else empty cells are left out.",
)
@click.option(
    "--mode", type=click.Choice(["replace", "merge"]), help="Replace the data of entities, or merge into them."
)
@click.option(
    "--dry-run", is_flag=True, help="Check everything and write nothing; the report and exit code are the same."
)
@click.option("--stop-after", type=click.IntRange(1), metavar="N", help="Load the first N records of each file alone.")
@click.option(
    "--max-errors", type=LIMIT, metavar="N|N%",
    help="End the load, with 4, once more items have failed; the rest is unprocessed. Default: no limit.",
)  # fmt: skip
@click.option("--segment", type=BYTES, default="8MiB", show_default=True, metavar="SIZE", help="Of a part of a file.")
@click.option("--concurrency", type=click.IntRange(1, 16), default=2, show_default=True, help="Parts sent at a time.")
@click.option(
    "--ordered/--unordered",
    default=None,
    help="Keep the order of items and jobs (default), or let workers run all at once.",
)
@click.option("--label", metavar="TEXT", help="Your own name for the jobs.")
@click.option("--atomic", is_flag=True, help="All items of a file, or none.")
@click.option(
    "--resume/--restart", default=None,
    help="Go on with a load that broke off, or begin anew; else you are asked, or without a terminal a file that has "
    "not changed is gone on with.",
)  # fmt: skip
@click.option(
    "--journals", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="FOLDER", envvar=FOLDER,
    show_envvar=True, help="Where FILE.sluice-journal stands, if not beside FILE, whose folder may be read-only.",
)  # fmt: skip
@click.option("--follow/--no-follow", default=True, help="Wait for the jobs (default), or print their ids and leave.")
@click.option("--errors", "errors_file", metavar="FILE|-", help="Where refused records go. Default: FILE.failed.ndjson")
@click.option("--errors-format", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option(
    "--errors-safe-for-excel", is_flag=True,
    help="Begin each cell of --errors-format csv with ' that a spreadsheet takes for a formula (=, +, -, @). Without "
    "this, opening the file in a spreadsheet may run what a sender wrote; with it, negative numbers and such cells no "
    "longer load back as they were.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as one object of JSON on standard output.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--progress", type=click.Choice(["auto", "plain", "off"]), default="auto", show_default=True,
    help="On standard error: bars on a terminal, else a line every ten seconds.",
)  # fmt: skip
@click.pass_context
def load(context: click.Context, /, **said: Any) -> None:
    """Load files."""
    check_together(said)
    wishes = wishes_of(said)
    errors = ErrorFiles(said["errors_file"], said["errors_format"], safe_for_excel=said["errors_safe_for_excel"])
    screen = screen_of(said["progress"], quiet=said["quiet"])
    command = resume_command(context)
    context.exit(_run(said, wishes, errors, screen, command))


def _run(said: dict[str, Any], wishes: Wishes, errors: ErrorFiles, screen: Screen, command: str) -> int:
    """Load, tell the report, and return the exit code."""
    run: Run | None = None
    ended_by: BaseException | None = None
    try:
        with _interruptible(), waits_told(screen):
            target = target_of(said["url"], said["key"])
            paths = named(said["files"])
            _probe(target, wishes)
            with target.client() as client, screen.shown():
                run = Run(client, wishes, screen, errors)
                run.judge(paths)
                for path in paths:
                    run.load(path)
                    if run.report.stopped:
                        break
    except (SluiceError, OSError, KeyboardInterrupt) as error:
        ended_by = error
    return _told(run, ended_by, command, said, screen)


def _told(run: Run | None, ended_by: BaseException | None, command: str, said: dict[str, Any], screen: Screen) -> int:
    """Tell what became of it all, and return the exit code."""
    code = code_of(ended_by) if ended_by is not None else run.report.exit_code() if run else 0
    if ended_by is not None:
        say(f"Error: {'interrupted' if isinstance(ended_by, KeyboardInterrupt) else told(ended_by)}")
        if code == AWAY:
            say(f"The address is {said['url']}, by --url or SLUICE_URL.")
        broke_off = run if not isinstance(ended_by, OtherLoad) else None  # that of before, which still stands as it did
        lines = broke_off.stands() if broke_off else []
        if broke_off and code in {AWAY, PUT_OFF, INTERRUPTED}:
            broke_off.report.resume_command = command
            lines += broke_off.goes_on_by(command)
        for line in lines:
            say(line)
    if run and ended_by is None:
        for line in run.report.lines():
            screen.note(line)
    if run and said["as_json"]:
        click.echo(msgspec.json.encode(run.report.as_json()))
        sys.stdout.flush()
    if run and ended_by is None:
        run.over()
    return code


def _probe(target: Target, wishes: Wishes) -> None:
    with target.probe() as client:
        most = probed(client).get("partBytes")
    if most and wishes.part_bytes > most:
        raise click.UsageError(f"--segment: this server takes parts of {most:,} bytes at most")


@contextmanager
def _interruptible() -> Iterator[None]:
    """End a block by the first Ctrl-C or SIGTERM; a second one ends the process at once."""

    def interrupt(number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, lambda *_: leave(INTERRUPTED))
        signal.signal(signal.SIGTERM, lambda *_: leave(PUT_OFF))
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Terminated(f"ended by {signal.Signals(number).name}")

    def leave(code: int) -> None:
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)
        os._exit(code)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if all(signal.getsignal(number) is interrupt for number in before):
            for number, handler in before.items():
                signal.signal(number, handler)
