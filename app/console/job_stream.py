"""The stream of S2: it tells the page of a job that the job has moved, and the page then asks for the part that lives.

The thread that serves the streams of the API serves this one too (`app/server/streams.py`), in the same places of the
process: it holds neither a thread nor a connection, and it ends with the session of its page.
"""

from flask import Blueprint, Response

from app.console import access
from app.console.job import enter
from app.jobs import streams
from app.jobs.stream_events import Admission
from ingest.db.tenants import sessions
from ingest.db.tenants.keys import digest

bp = Blueprint("job_stream", __name__)


@bp.get("/jobs/<text:job_id>/stream")
def stream(job_id: str) -> Response:
    """Answer with the stream of a job; with 204 if it has ended, and its page has seen that."""
    admission = Admission(digest(access.visitor().secret), sessions.good)
    return streams.answer(enter(job_id), lambda job, _: job.status.encode(), admission)
