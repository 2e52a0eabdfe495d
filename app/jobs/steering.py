"""`POST /batch/jobs/{id}/cancel`, `/pause` and `/resume`, and `PATCH /batch/jobs/{id}`: steer a job.

Each is a short transaction on the job's row, so it waits in no queue and needs no worker. Once it is committed, workers
and waiting requests are notified; if that fails, the sweeper makes up for it.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from flask import Blueprint, Response

from app.http import body, idempotency
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import Respond
from app.http.services import services
from app.jobs.own import first_warnings, inline_errors, own_job
from app.jobs.shape import job_shape
from ingest import faultpoints
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection, autocommit, transaction
from ingest.db.jobs import claims, control, queue
from ingest.db.tenants.idempotency import Answer
from ingest.engine.announcer import Announcer
from ingest.errors import DatabaseError, InvalidInput, WrongState
from ingest.ids import JOB, spell
from ingest.jobs import LONGEST_LABEL, Job, JobState

_Told = TypeVar("_Told")


def mount(bp: Blueprint, respond: Respond, noun: str) -> None:
    """Add the calls to a job's blueprint.

    Args:
        bp: of the jobs of an API.
        respond: makes an answer of data, a status and headers.
        noun: for a job, in the names of the API's operations.
    """

    def again(_first: Answer, _sent: bytes, *, job_id: str) -> Response:
        with transaction(services().pool) as conn:
            return respond(_shape(conn, own_job(conn, caller().tenant_id, job_id, shown=True)), 200, {})

    steering: dict[str, Any] = {
        "answers": {200: "Job"},
        "faults": (WrongState,),
        "repeat": again,
        "brings_data": False,
    }

    @bp.post("/batch/jobs/<text:job_id>/cancel")
    @describe("End a job; what it has done stands", operation=f"cancel{noun}", **steering)
    def cancel(job_id: str) -> Response:
        return respond(cancel_job(job_id, _shape), 200, {})

    @bp.post("/batch/jobs/<text:job_id>/pause")
    @describe("Begin no further block of a job until it is resumed", operation=f"pause{noun}", **steering)
    def pause(job_id: str) -> Response:
        return respond(pause_job(job_id, _shape), 200, {})

    @bp.post("/batch/jobs/<text:job_id>/resume")
    @describe("Let a paused job go on, in its former place", operation=f"resume{noun}", **steering)
    def resume(job_id: str) -> Response:
        return respond(resume_job(job_id, _shape), 200, {})

    @bp.patch("/batch/jobs/<text:job_id>")
    @describe("Give a job another label", operation=f"relabel{noun}", body="JobLabel", **steering)
    def relabel(job_id: str) -> Response:
        return respond(relabel_job(job_id, _label(), _shape), 200, {})


# Reads what the caller is told of the job, in the transaction that has steered it.
Tell: TypeAlias = Callable[[Connection, Job], _Told]


def cancel_job(text: str, tell: Tell[_Told]) -> _Told:
    """End a job of the caller's. Arguments and errors are those of `_steer`."""
    steered = _steer(text, control.cancel, "cancelled", {JobState.CANCELLED}, tell)
    with suppress(DatabaseError), transaction(services().pool) as conn:
        Announcer(services().notifier, services().job_end, services().progress).announce(conn, [steered.job_id])
    return steered.told


def pause_job(text: str, tell: Tell[_Told]) -> _Told:
    """Begin no further block of a job of the caller's. Arguments and errors are those of `_steer`."""
    steered = _steer(text, control.pause, "paused", {JobState.PAUSED}, tell)
    if steered.result:
        with suppress(DatabaseError), autocommit(services().pool) as conn:
            for freed in claims.freed_by(conn, steered.result):
                services().notifier.notify(freed)
    return steered.told


def resume_job(text: str, tell: Tell[_Told]) -> _Told:
    """Let a paused job of the caller's go on. Arguments and errors are those of `_steer`."""
    steered = _steer(text, control.resume, "resumed", control.NOT_ENDED, tell)
    services().notifier.notify(steered.job_id)
    return steered.told


def relabel_job(text: str, label: str | None, tell: Tell[_Told]) -> _Told:
    """Give a job of the caller's another label; the other arguments, and errors, are those of `_steer`.

    Args:
        text: likewise.
        label: 1 to LONGEST_LABEL characters; None: it has none from now on.
        tell: likewise.

    Raises:
        InvalidInput: it may be no label.
    """
    if label is not None and not (1 <= len(label) <= LONGEST_LABEL and "\0" not in label):
        raise InvalidInput(f"label: Must be 1 to {LONGEST_LABEL} characters, none of them NUL, or null to have none")

    def change(conn: Connection, job_id: UUID, *, actor: str) -> bool:
        return control.relabel(conn, job_id, label, actor=actor)

    return _steer(text, change, "relabelled", frozenset(JobState), tell).told


class _Steered(NamedTuple, Generic[_Told]):
    """A job after a call has steered it, what the caller is told of it, and the result of the change."""

    job_id: UUID
    told: _Told
    result: Any


def _steer(
    text: str, change: Callable[..., object], participle: str, good: Collection[JobState], tell: Tell[_Told]
) -> _Steered[_Told]:
    """Change a job of the caller's, in a transaction.

    Args:
        text: the job's public id.
        change: takes the connection, the job's id and the `actor`; it does nothing where the state does not let it.
        participle: what the change makes of the job, for a refusal.
        good: the states in which the job is then as the caller wants it.
        tell: reads what the caller is told.

    Raises:
        NotFound: there is no such job of the caller's.
        WrongState: the job is in another state.
    """
    with confirmed_transaction(services().pool) as conn:
        idempotency.lock(conn)
        job_id = own_job(conn, caller().tenant_id, text).id
        result = change(conn, job_id, actor=caller().key_label)
        job = own_job(conn, caller().tenant_id, text, shown=True)
        if job.status not in good:
            raise WrongState(f"{spell(JOB, job_id)} is {job.status}, so it cannot be {participle}")
        idempotency.remember(conn, job_id=job_id)
        steered = _Steered(job_id, tell(conn, job), result)
        faultpoints.passing("job.changed")
    faultpoints.passing("job.steered")
    services().progress.moved([job_id])
    return steered


def _shape(conn: Connection, job: Job) -> dict[str, Any]:
    place = queue.places_of(conn, [job])[job.id]
    return job_shape(job, place, inline_errors(conn, job), first_warnings(conn, job))


def _label() -> str | None:
    """Return the label that the body of this request gives the job; None where it takes the job's label away.

    Raises:
        InvalidInput: the body is not `{"label": …}` with 1 to 200 characters, or null.
    """
    text = body.read_form()
    try:
        members: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        members = None
    if not isinstance(members, dict) or members.keys() != {"label"}:
        raise InvalidInput('The body must be an object with the one member "label"')
    label = members["label"]
    if label is None or isinstance(label, str):
        return label
    raise InvalidInput(f"label: Must be 1 to {LONGEST_LABEL} characters, none of them NUL, or null to have none")
