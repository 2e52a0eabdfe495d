"""`GET /batch/jobs/{id}`: where a job stands."""

from flask import Blueprint, Response

from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.own import first_warnings, inline_errors, own_job
from app.jobs.shape import job_shape
from ingest.db.connection.pool import transaction
from ingest.db.jobs import queue


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the call to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    @bp.get("/batch/jobs/<text:job_id>")
    @describe("Where a job stands", operation=f"get{noun}", answers={200: "Job"})
    def job(job_id: str) -> Response:
        with transaction(services().pool) as conn:
            found = own_job(conn, caller().tenant_id, job_id, shown=True)
            place = queue.places_of(conn, [found])[found.id]
            errors, warnings = inline_errors(conn, found), first_warnings(conn, found)
        return respond(job_shape(found, place, errors, warnings), 200, {})
