"""Made by make_sync.py of _async/jobs.py: change that file, then `make client`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sluice_client._sync.job import Job
from sluice_client._sync.transport import Transport
from sluice_client.models import JobInfo, SeenJob


class Jobs:
    """The tenant's jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, job_id: str) -> Job:
        """Return a job as it stands.

        Raises:
            NotFound: there is no such job, or it is gone.
        """
        job = Job(self._transport, job_id)
        job.refresh()
        return job

    def list(
        self,
        *,
        status: str | Sequence[str] | None = None,
        type: str | None = None,  # noqa: A002 # the server's name for it
        label: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        has_errors: bool | None = None,
        parent: str | None = None,
        limit: int = 200,
    ) -> Iterator[Job]:
        """Yield jobs, the newest first, without their errors.

        Args:
            status: one or several.
            type: such as `batch_ingest_entities`.
            label: exactly this one.
            created_after: accepted at this moment or later.
            created_before: accepted before this moment.
            has_errors: True for jobs of which an item has failed.
            parent: the id of a job, for those that send items of it again.
            limit: how many to read at a time, at most 200; not how many there are.

        Raises:
            Invalid: an argument is none that it may be.
        """
        query = {
            "status": status,
            "type": type,
            "label": label,
            "created_after": created_after,
            "created_before": created_before,
            "has_errors": has_errors,
            "parent": parent,
            "limit": limit,
        }
        for info in self._transport.pages("listJobs", JobInfo, query=query):
            yield Job(self._transport, info.id, info)


def job_of(transport: Transport, seen: SeenJob) -> Job:
    """Return the job that a batch call answered with."""
    job = Job(transport, seen.job_id)
    job.callback_secret = seen.callback_secret
    return job
