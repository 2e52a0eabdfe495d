"""`sluice verify`: whether what is stored is what Sluice promises."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import redis

from cli.errors import StackError
from cli.options import data_dir_option, database, json_option, print_json, settings_here
from cli.terminal import printable
from ingest.db.connection.migrate import pending
from ingest.db.verify import CHECKS, MOST_FOUND, OPERATIONAL, Result
from ingest.db.verify import verify as run
from ingest.notify import last_verify
from ingest.notify.last_verify import LastVerify
from ingest.notify.redis_client import redis_client

_NEVER_OURS = """
Sluice itself leaves no such rows behind. Before anything else, find out: did somebody write to the tables by hand, or
was a backup restored in part? If neither, please report it, with this output."""


@click.command()
@click.option(
    "--stuck-after",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Call a job stuck that nobody works on and that did not move for so long.",
)
@click.option(
    "--check-seconds",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Give up a check that takes longer.",
)
@data_dir_option
@json_option
@click.pass_context
def verify(context: click.Context, stuck_after: int, check_seconds: int, data_dir: Path, *, as_json: bool) -> None:
    """Check what is stored against what Sluice promises: sums, orphans, separation of tenants, stuck jobs.

    Safe at any time: it only reads, in one snapshot, so that running jobs are no false alarm. Says of what is wrong how
    many rows it is, up to five of them, and what to do. Exits 0 if all is well, and 1 if something is wrong or a check
    could not be finished. The console shows the time and the outcome of the last run, if Redis answers.

    Example: sluice verify --stuck-after 600
    """
    settings = settings_here(data_dir)
    with database(data_dir) as conn:
        if missing := pending(conn):
            raise StackError(f"the database lacks {', '.join(missing)}: run `sluice migrate` first")
        conn.rollback()
        results = run(
            conn,
            deadline_seconds=settings.job_deadline_seconds,
            stuck_after_seconds=stuck_after,
            check_seconds=check_seconds,
        )
        bad = list(_bad(results)) if as_json else list(_shown(_bad(results)))
    _keep(settings.redis_url, bad)
    if as_json:
        print_json(_document(bad))
    else:
        _sum_up(bad, check_seconds)
    context.exit(1 if bad else 0)


def _bad(results: Iterable[Result]) -> Iterator[Result]:
    return (result for result in results if result.found != 0)


def _keep(redis_url: str, bad: list[Result]) -> None:
    """Keep the outcome for the console, which says otherwise that no run is known."""
    outcome = LastVerify(
        at=datetime.now(UTC),
        checks=len(CHECKS),
        wrong=[result.check.name for result in bad if result.found is not None],
        unfinished=[result.check.name for result in bad if result.found is None],
    )
    with suppress(redis.RedisError, ValueError), redis_client(redis_url) as client:
        last_verify.keep(client, outcome)


def _shown(results: Iterable[Result]) -> Iterator[Result]:
    """Print each as it comes: on a large installation the first may come minutes before the last."""
    for result in results:
        if result.found is None:
            click.echo(f"{click.style('UNKNOWN', fg='yellow')}  {result.check.invariant}: the check did not finish")
        else:
            click.echo(f"{click.style('WRONG', fg='red')}    {result.check.wrong}: {_many(result.found)}")
            for example in result.examples:
                click.echo(f"         {printable(_line(example.id, example.detail))}")
            click.echo(f"         What to do: {result.check.advice}.")
        yield result


def _line(public_id: str | None, detail: str) -> str:
    return f"{public_id} ({detail})" if public_id else detail


def _many(found: int) -> str:
    return f"{found:,} or more" if found == MOST_FOUND else f"{found:,}"


def _sum_up(bad: list[Result], check_seconds: int) -> None:
    wrong = [result for result in bad if result.found is not None]
    unknown = len(bad) - len(wrong)
    if any(result.check.name not in OPERATIONAL for result in wrong):
        click.echo(_NEVER_OURS)
    if not bad:
        click.echo(f"All is well: {len(CHECKS)} checks found nothing wrong.")
        return
    click.echo(f"\n{len(CHECKS)} checks: {len(wrong)} found something wrong, {unknown} did not finish.")
    if unknown:
        click.echo(f"Give these more time than {check_seconds} s each: --check-seconds {10 * check_seconds}")


def _document(bad: list[Result]) -> dict[str, Any]:
    return {
        "ok": not bad,
        "checks": len(CHECKS),
        "wrong": [_finding(result) for result in bad if result.found is not None],
        "unfinished": [
            {"check": result.check.name, "invariant": result.check.invariant} for result in bad if result.found is None
        ],
    }


def _finding(result: Result) -> dict[str, Any]:
    return {
        "check": result.check.name,
        "invariant": result.check.invariant,
        "wrong": result.check.wrong,
        "found": result.found,
        "more": result.found == MOST_FOUND,
        "examples": [{"id": example.id, "detail": example.detail} for example in result.examples],
        "advice": result.check.advice,
    }
