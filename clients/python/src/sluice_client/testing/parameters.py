"""The query parameters of the fake server's calls: those that it heeds, and those that the real one alone does."""

from __future__ import annotations

from difflib import get_close_matches

import httpx2

from sluice_client.testing.rules import Refused

_PAGE = {"limit", "cursor"}
# One block, and no wait: the order, the deadline and the results that are kept have nothing to change.
_BATCH = {"label", "ordered", "atomic", "validateOnly", "maxErrors", "deadline", "keepResults", "callback"}
_BATCH_ELSEWHERE = {"after", "afterAny", "empty", "delimiter"}

# By operation.
HEEDED: dict[str, set[str]] = {
    "writeEntities": _BATCH | {"mode"},
    "writeEvents": _BATCH,
    "writeStates": _BATCH,
    "listJobs": _PAGE | {"label", "status", "type"},
    "getJob": set(),
    "listJobErrors": _PAGE | {"code", "from", "items"},
    "upsertEntity": {"mode"},
    "getEntity": {"pii"},
    "deleteEntity": set(),
    "appendEvent": set(),
    "listEvents": _PAGE | {"eventType"},
    "setState": set(),
    "getState": set(),
    "listStates": set(),
    "getCapabilities": set(),
    "getWorkers": set(),
}
ELSEWHERE: dict[str, set[str]] = {
    "writeEntities": _BATCH_ELSEWHERE | {"entityType"},
    "writeEvents": _BATCH_ELSEWHERE | {"eventType"},
    "writeStates": _BATCH_ELSEWHERE | {"stateKey"},
    "listJobs": {"created_after", "created_before", "has_errors", "parent"},
    "listJobErrors": {"group"},
}


def elsewhere(what: str) -> NotImplementedError:
    """Return the error for what the real server alone can do."""
    return NotImplementedError(f"The fake server has no {what}: test this against `sluice up`")


def query_of(operation: str, request: httpx2.Request) -> dict[str, str]:
    """Return the query of a request, each of whose names its call takes.

    Raises:
        Refused: the real server would know a name of it neither, or it stands twice.
        NotImplementedError: the real server alone heeds it.
    """
    heeded, others = HEEDED[operation], ELSEWHERE.get(operation, set())
    query = dict(request.url.params)
    for name in query:
        if name in others:
            raise elsewhere(f"?{name}= of {operation}")
        if name not in heeded:
            near = get_close_matches(name, heeded | others, n=1)
            hint = f' (did you mean "{near[0]}"?)' if near else ""
            raise Refused(400, "INVALID_INPUT", f'Unknown query parameter "{name}"{hint}')
        if len(request.url.params.get_list(name)) > 1:
            raise Refused(400, "INVALID_INPUT", f'The query parameter "{name}" stands twice; send it once')
    return query
