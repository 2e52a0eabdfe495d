"""This machine: Python, the packages, and room on the disk of an embedded database."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from ingest.doctor.line import Line, amount, fail, ok, warn
from ingest.doctor.misspelled import unknown_settings
from ingest.environment import strays
from ingest.machine.disk import Room, room
from ingest.machine.listening import open_addresses

_OLDEST_PYTHON = (3, 11)
_NAMED = ("sluice", "celery", "flask", "gunicorn", "psycopg", "redis")

# Times the low-water mark: there is time to make room before batches are refused.
_FEW = 3


def python() -> Line:
    """Check that Sluice supports this version of Python."""
    found = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return fail("python", found, "Sluice needs Python 3.11 or newer")
    return ok("python", found)


def packages() -> Line:
    """Check that the packages are installed in the versions that Sluice needs."""
    try:
        needed = requires("sluice") or []
    except PackageNotFoundError:
        return warn("packages", "Sluice runs from its source, without being installed", "Run `make setup`")
    return compared([Requirement(text) for text in needed])


def compared(needed: Sequence[Requirement]) -> Line:
    """Check the installed versions against the needed ones."""
    wrong = []
    for requirement in needed:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, not {requirement.specifier}")
    if wrong:
        return fail("packages", "; ".join(wrong), "Install what requirements.txt names: `make setup`")
    return ok("packages", ", ".join(f"{name} {version(name)}" for name in _NAMED))


def environment() -> Line:
    """Check that no variable is set that users may mistake for a setting of Sluice."""
    if found := strays(os.environ):
        advice = "Unset them, and say what they should do by Sluice's own settings (.env.example)"
        return warn("environment", f"these do not count: {', '.join(found)}", advice)
    if found := unknown_settings(os.environ):
        return warn("environment", f"there is no such setting: {', '.join(found)}", "Mend the names, or unset them")
    return ok("environment", "nothing in it contradicts the settings")


def door(environ: Mapping[str, str], *, behind_proxy: bool) -> Line:
    """Check that other machines reach the API only through a proxy."""
    addresses = open_addresses(environ)
    if addresses and not behind_proxy:
        advice = (
            "Put a proxy that speaks TLS in front and set SLUICE_BEHIND_PROXY=true, or let SLUICE_BIND name loopback"
        )
        return warn("door", f"web listens at {', '.join(addresses)} with no proxy: keys travel in the clear", advice)
    return ok("door", "web listens behind a proxy" if addresses else "web listens on this machine alone")


def disk(directory: Path, wanted: int) -> Iterator[Line]:
    """Check that the database has room to grow; yield no line if there is no database yet.

    Args:
        directory: where it is on this machine.
        wanted: SLUICE_MIN_FREE_DISK_BYTES.
    """
    try:
        yield enough(directory, room(directory), wanted)
    except FileNotFoundError:
        return
    except OSError as error:
        yield fail("disk", f"{directory}: {error.strerror}", "Run this as the user who runs the stack")


def enough(directory: Path, found: Room, wanted: int) -> Line:
    """Check the free room; arguments as of `disk`."""
    least = found.least(wanted)
    text = f"{amount(found.free)} are free for {directory}; below {amount(least)} new data are refused"
    if found.free < least:
        return fail("disk", text, "Make room now: writes get 503 INSUFFICIENT_STORAGE; workers finish what is there")
    if found.free < _FEW * least:
        return warn("disk", text, "Make room before new data are refused")
    return ok("disk", text)
