"""The operator API's envelope (docs/contracts/operator.md section 1)."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from app.http.errors import Fault
from app.http.responses import as_json, timestamp
from app.http.shapes import ERROR_PAGES


def success(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`{"success": true, "data": …}`."""
    return as_json({"success": True, "data": data}, status, headers)


def failure(fault: Fault) -> Response:
    """`{"success": false, "error": {"code", "message", "docs"}}`; of a rate limit, `resetAt` in it and beside it."""
    error = {"code": fault.code, "message": fault.message, "docs": f"{ERROR_PAGES}/{fault.code}"}
    reset = {} if fault.reset_at is None else {"resetAt": timestamp(fault.reset_at)}
    return as_json({"success": False, "error": {**error, **reset}, **reset}, fault.status, fault.headers)
