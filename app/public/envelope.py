"""Responses of the public API (docs/contracts/public.md section 1): 200 and the shape itself, or `{"detail": …}`."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Response

from app.http.errors import Fault
from app.http.rate_counter import Verdict
from app.http.responses import as_json

_MICROSECONDS_A_MILLISECOND = 1_000


def success(shape: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Always 200: the SDK takes any other 2xx for a failure."""
    return as_json(shape, 200, headers)


def job(data: Any, status: int, headers: Mapping[str, str]) -> Response:
    """Return a job as the operator API does (docs/contracts/operator.md section 5)."""
    return as_json({"success": True, "data": data}, status, headers)


def failure(fault: Fault) -> Response:
    """`{"detail": …}`: 422 and a list of faults where their places in body or query are known, else a sentence."""
    if fault.places:
        return as_json({"detail": list(fault.places)}, HTTPStatus.UNPROCESSABLE_ENTITY, fault.headers)
    limited = fault.status == HTTPStatus.TOO_MANY_REQUESTS
    return as_json({"detail": "Rate limit exceeded" if limited else fault.message}, fault.status, fault.headers)


def limits(verdict: Verdict) -> dict[str, str]:
    """Return the headers that tell of a rate limit. `Reset` is in Unix seconds, and never too early."""
    headers = {"X-RateLimit-Limit": str(verdict.rate.amount)}
    if verdict.left is None:
        return headers
    reset = math.ceil(verdict.reset_at.timestamp())
    return {**headers, "X-RateLimit-Remaining": str(verdict.left), "X-RateLimit-Reset": str(reset)}


def timestamp(time: datetime) -> str:
    """Format a time for a response: UTC, no fraction or one of 3 or 6 digits, which older Pythons can read."""
    utc = time.astimezone(UTC).replace(tzinfo=None)
    if not utc.microsecond:
        return f"{utc.isoformat(timespec='seconds')}Z"
    whole = utc.microsecond % _MICROSECONDS_A_MILLISECOND == 0
    return f"{utc.isoformat(timespec='milliseconds' if whole else 'microseconds')}Z"
