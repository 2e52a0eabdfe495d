"""This machine: Python, the packages, and room on the disk of an embedded database."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.doctor.line import Line, amount, fail, ok, warn
from ingest.environment import strays
from ingest.listening import open_addresses

_OLDEST_PYTHON = (3, 11)
_NAMED = ("sluice", "celery", "flask", "gunicorn", "psycopg", "redis")

# Postgres stops all writing when its disk is full. Two GiB is what its WAL alone may take (cli/servers.py).
_FEW_BYTES = 2 * 1024**3
_TOO_FEW_BYTES = 256 * 1024**2


def python() -> Line:
    """Whether this Python is one that Sluice runs on."""
    found = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return fail("python", found, "Sluice needs Python 3.11 or newer")
    return ok("python", found)


def packages() -> Line:
    """Whether the packages are there in the versions that Sluice was made for."""
    try:
        needed = requires("sluice") or []
    except PackageNotFoundError:
        return warn("packages", "Sluice runs from its source, without being installed", "Run `make setup`")
    return compared([Requirement(each) for each in needed])


def compared(needed: Sequence[Requirement]) -> Line:
    """Whether what is installed is what is needed."""
    wrong = []
    for each in needed:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(installed, prereleases=True):
            wrong.append(f"{each.name} is {installed}, not {each.specifier}")
    if wrong:
        return fail("packages", "; ".join(wrong), "Install what requirements.txt names: `make setup`")
    return ok("packages", ", ".join(f"{name} {version(name)}" for name in _NAMED))


def environment() -> Line:
    """Whether variables are set that somebody may take for settings of Sluice's."""
    if found := strays(os.environ):
        advice = "Unset them, and say what they should do by Sluice's own settings (.env.example)"
        return warn("environment", f"these do not count: {', '.join(found)}", advice)
    return ok("environment", "nothing in it contradicts the settings")


def door(environ: Mapping[str, str], *, behind_proxy: bool) -> Line:
    """Whether other machines reach the API with nothing in front of it."""
    addresses = open_addresses(environ)
    if addresses and not behind_proxy:
        advice = (
            "Put a proxy that speaks TLS in front and set SLUICE_BEHIND_PROXY=true, or let SLUICE_BIND name loopback"
        )
        return warn("door", f"web listens at {', '.join(addresses)} with no proxy: keys travel in the clear", advice)
    return ok("door", "web listens behind a proxy" if addresses else "web listens on this machine alone")


def disk(data_dir: Path) -> Iterator[Line]:
    """Whether an embedded database has room to grow; no line where there is none yet."""
    try:
        yield room(data_dir, shutil.disk_usage(data_dir).free)
    except FileNotFoundError:
        return
    except OSError as error:
        yield fail("disk", f"{data_dir}: {error.strerror}", "Run this as the user who runs the stack")


def room(data_dir: Path, free: int) -> Line:
    """Whether so many free bytes are enough."""
    found = f"{amount(free)} are free for {data_dir}"
    if free < _TOO_FEW_BYTES:
        return fail("disk", found, "Make room now: when the disk is full, nothing can be accepted")
    if free < _FEW_BYTES:
        return warn("disk", found, "Make room: when the disk is full, nothing can be accepted")
    return ok("disk", found)
