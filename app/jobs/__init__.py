"""The job resource, which both APIs mount: one file for each group of calls.

    lists.py      a tenant's jobs
    resource.py   where a job stands
    streams.py    its progress, as it moves
    stream_events.py  what streams tell of it
    steering.py   cancel, pause, resume and relabel it
    timeline.py   what happened to it, and who asked for it
    errors.py     what was wrong with its items, one by one and in groups
    groups.py     errors that are alike
    error_files.py  the same as files to correct and send again
    outcomes.py   what became of its items: warnings, results
    items.py      what became of one of them
    children.py   its items sent again: retry and commit
    own.py        the job that a request names
    shape.py      jobs, errors and warnings as the wire shows them

Each file of calls adds its own to the blueprint by `mount`.
"""

from flask import Blueprint

from app.http import rate_limit
from app.http.responses import Respond
from app.jobs import (
    children,
    error_files,
    errors,
    items,
    lists,
    outcomes,
    resource,
    steering,
    streams,
    timeline,
)

_CALLS = (lists, resource, streams, steering, timeline, errors, error_files, outcomes, items, children)


def blueprint(respond: Respond, noun: str) -> Blueprint:
    """Return the calls about jobs, with answers in an API's envelope; `app.http.auth.caller` knows their caller.

    Args:
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """
    bp = Blueprint("jobs", __name__)
    bp.before_request(rate_limit.scope("read"))
    for calls in _CALLS:
        calls.mount(bp, respond, noun)
    return bp
