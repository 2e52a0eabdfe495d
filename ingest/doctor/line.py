"""A line of the check-up: how it stands, what was found, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The verdict on something that was checked.

    Attributes:
        OK: as it should.
        WARN: it works, but see to it.
        FAIL: Sluice does not work, or does not keep a promise, until this is mended.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one check of the check-up.

    Attributes:
        name: of the checked part.
        level: ok, warning or failure.
        found: a sentence without its full stop.
        advice: the remedy; empty if none is needed.
    """

    name: str
    level: Level
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Line:
    """Return a line about something that is as it should be."""
    return Line(name, Level.OK, found)


def warn(name: str, found: str, advice: str) -> Line:
    """Return a line about something that works, but not for good."""
    return Line(name, Level.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Line:
    """Return a line about something that must be mended."""
    return Line(name, Level.FAIL, found, advice)


_MOST_CLOCK_SECONDS = 2.0


def clocks(name: str, whose: str, ahead: float) -> Line:
    """Check that a server's clock agrees with this machine's.

    Args:
        name: of the line.
        whose: the server, in words.
        ahead: by how many seconds its clock is ahead.
    """
    if abs(ahead) <= _MOST_CLOCK_SECONDS:
        return ok(name, f"{whose} and this machine agree within {_MOST_CLOCK_SECONDS:.0f} s")
    direction = "ahead of" if ahead > 0 else "behind"
    return warn(
        name,
        f"the clock of {whose} is {abs(ahead):,.0f} s {direction} this machine's",
        "Sluice goes by the database's clock alone, but logs and ids cannot be compared: set up a time service (NTP)",
    )


_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def amount(size: float) -> str:
    """Return a size in bytes, for people."""
    for unit in _UNITS[:-1]:
        if size < 1024:  # noqa: PLR2004 # what the units stand for
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} {_UNITS[-1]}"
