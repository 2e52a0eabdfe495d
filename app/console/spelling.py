"""Numbers, times and ids as pages show them. Pure."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from ingest import ids
from ingest.items.pointers import pointer
from ingest.jobs import Effect, Job, JobState

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FEW, _SHORT = 10, 0.1


def number(value: float) -> str:
    """Return a count with commas between thousands."""
    return f"{value:,.0f}"


def stamp(timestamp: datetime) -> str:
    """Return a timestamp for people, in UTC."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(timestamp: datetime) -> str:
    """Return a timestamp for programs: the script makes it relative."""
    return f"{timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def duration(seconds: float | None) -> str:
    """Return a span of time, in its two largest units."""
    if seconds is None:
        return "?"
    seconds = max(0.0, seconds)
    if seconds < _FEW:
        return f"{seconds:.1f} s" if seconds >= _SHORT else f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def job_id(value: UUID | Job) -> str:
    """Return the id of a job as clients spell it."""
    return ids.spell(ids.JOB, value.id if isinstance(value, Job) else value)


def kind(name: str) -> str:
    """Return the kind of a job's items for people."""
    return name.replace("_", " ")


def parts_of(job: Job) -> list[tuple[str, int, float, float]]:
    """Return a job's effects for its bar: name, count, where its part begins, and how wide it is, in percent."""
    parts, before = [], 0
    for effect in Effect:
        count = job.effects[effect]
        if count:
            parts.append((effect.value, count, 100 * before / job.total, 100 * count / job.total))
        before += count
    return parts


def sentence(job: Job) -> str:
    """Return a sentence about where a job stands."""
    effects, total = job.effects, number(job.total)
    taken = number(job.succeeded)
    checks = job.options.validate_only
    match job.status:
        case JobState.PENDING:
            return f"{total} items wait to be {'checked' if checks else 'run'}."
        case JobState.PROCESSING:
            return f"{number(job.processed)} of {total} items have an outcome."
        case JobState.PAUSED:
            return f"{number(job.processed)} of {total} items have an outcome; a resume runs the rest."
        case JobState.COMPLETED:
            refused = f", {number(effects[Effect.FAILED])} refused" if effects[Effect.FAILED] else ""
            return f"{taken} of {total} {'would be taken' if checks else 'taken'}{refused}."
        case _:
            left = f", {number(effects[Effect.UNPROCESSED])} never looked at" if effects[Effect.UNPROCESSED] else ""
            return f"{taken} of {total} taken, {number(effects[Effect.FAILED])} refused{left}."


def plain(text: str) -> str:
    """Return a JSON text for people: a text without its quotes, all else as it is, numbers to the digit."""
    return str(json.loads(text)) if text.startswith('"') else text


def as_json(value: Any) -> str:
    """Return a value as JSON, for an attribute; never for a script."""
    return msgspec.json.encode(value).decode()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "stamp": stamp,
    "iso": iso,
    "duration": duration,
    "job_id": job_id,
    "kind": kind,
    "parts_of": parts_of,
    "sentence": sentence,
    "plain": plain,
    "as_json": as_json,
    "pointer": pointer,
}
