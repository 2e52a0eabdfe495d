"""Read the speed of the last minutes, the refused requests and the last `sluice verify`, as S6 shows them."""

from typing import NamedTuple

import redis

from app.console import spelling
from app.http.services import services
from ingest.doctor.line import Line, fail, ok, warn
from ingest.notify import last_verify, tallies
from ingest.notify.last_verify import LastVerify
from ingest.notify.redis_client import redis_client
from ingest.notify.tallies import ITEMS, REFUSALS

# The line is drawn in a box of so many units; a page stretches it.
_HEIGHT = 40

# A line of the check-up names so many checks.
_MOST_NAMED = 3


class Speed(NamedTuple):
    """Items a second in the last minutes.

    Attributes:
        last: of the last window.
        most: of the busiest one.
        mean: of all.
        points: of the line, as SVG has them.
        width: of the box that the line is in.
        height: likewise.
    """

    last: float
    most: float
    mean: float
    points: str
    width: int
    height: int = _HEIGHT


class Tallies(NamedTuple):
    """The counts that Redis holds.

    Attributes:
        refused: requests of the last hour, by rate limits.
        refused_lately: those of its last five minutes.
    """

    speed: Speed
    refused: int
    refused_lately: int


def read() -> Tallies | None:
    """Return what Redis has counted; None where it does not answer."""
    try:
        with redis_client(services().settings.redis_url) as client:
            items, refused = tallies.read(client, ITEMS), tallies.read(client, REFUSALS)
    except redis.RedisError:
        return None
    lately = 5 * 60 // REFUSALS.seconds
    return Tallies(speed(items, ITEMS.seconds), sum(refused), sum(refused[-lately:]))


def speed(counts: list[int], seconds: int) -> Speed:
    """Return the speeds of windows.

    Args:
        counts: theirs, the oldest first.
        seconds: a window's.
    """
    most = max(counts)
    heights = [_HEIGHT - _HEIGHT * count / most if most else _HEIGHT for count in counts]
    points = " ".join(f"{place},{height:.1f}" for place, height in enumerate(heights))
    mean = sum(counts) / len(counts) / seconds
    return Speed(counts[-1] / seconds, most / seconds, mean, points, len(counts) - 1)


def verify_line() -> Line:
    """Return the line about the last `sluice verify`."""
    try:
        with redis_client(services().settings.redis_url) as client:
            outcome = last_verify.read(client)
    except redis.RedisError:
        return warn("verify", "its last run could not be looked up, because the broker does not answer", "")
    if outcome is None:
        return ok("verify", "no run of `sluice verify` is known since the broker was started with empty memory")
    return _line(outcome)


def _line(outcome: LastVerify) -> Line:
    when = spelling.stamp(outcome.at)
    if outcome.wrong:
        found = (
            f"{len(outcome.wrong)} of {outcome.checks} checks found something wrong ({_names(outcome.wrong)}), {when}"
        )
        return fail("verify", found, "Run `sluice verify` again: it says what is wrong, and what to do")
    if outcome.unfinished:
        found = f"{_names(outcome.unfinished)} did not finish, the other checks found nothing wrong, {when}"
        return warn("verify", found, "Run `sluice verify` again, with a larger --check-seconds")
    return ok("verify", f"{outcome.checks} checks of what is stored found nothing wrong, {when}")


def _names(checks: list[str]) -> str:
    return ", ".join(checks[:_MOST_NAMED]) + (", …" if len(checks) > _MOST_NAMED else "")
