"""The job that a command names."""

from ingest.db.connection.pool import Connection
from ingest.db.jobs import gone, lookup
from ingest.errors import Gone, NotFound
from ingest.ids import JOB, parse_any, spell
from ingest.jobs import Job, JobState


def job_of(conn: Connection, text: str, *, shown: bool = False) -> Job:
    """Return a job, whosever it is.

    Args:
        conn: an open transaction.
        text: its id as the API and the log spell it, or its UUID.
        shown: with all that a job shows.

    Raises:
        NotFound: there is none of that id.
        Gone: retention has deleted it.
    """
    job_id = parse_any(JOB, text)
    found = (lookup.show if shown else lookup.get)(conn, job_id)
    if found is not None and found.status is not JobState.RECEIVING:
        return found
    if gone.is_gone(conn, None, job_id):
        raise Gone(gone.MESSAGE.format(spell(JOB, job_id)))
    raise NotFound(f"There is no job {spell(JOB, job_id)}")
