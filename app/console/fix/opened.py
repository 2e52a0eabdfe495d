"""The job of a page, and the rules by which its items are read, edited and checked today."""

from dataclasses import dataclass

from app.console import access
from app.http import personal_data
from app.http.auth import caller
from app.http.services import services
from app.jobs.own import own_job
from ingest.db.connection.pool import transaction
from ingest.engine.children import template_of_child
from ingest.engine.mending import Mending, mending_of
from ingest.errors import Forbidden
from ingest.ids import JOB, parse, spell
from ingest.jobs import Job


@dataclass(frozen=True, slots=True)
class Opened:
    """The job of a page.

    Attributes:
        mending: its rules.
        hidden: why its items cannot be shown; None where they can.
    """

    mending: Mending
    hidden: str | None

    @property
    def job(self) -> Job:
        """The job itself."""
        return self.mending.job

    @property
    def name(self) -> str:
        """Its public id."""
        return spell(JOB, self.job.id)


def opened(job_id: str, *, to_change: bool = False) -> Opened:
    """Return the job of a page, which is its visitor's from here on.

    Args:
        job_id: public.
        to_change: its items are edited, checked or sent.

    Raises:
        NotFound: there is none, or it is another tenant's.
        Gone: retention has deleted it.
        WrongState: it is no batch, so that it has no items that could be mended.
        TemplateNotConfigured: the tenant has no template any more that could check its items.
        Forbidden: its items may hold personal data, and the visitor has not the scope for them.
    """
    access.enter_tenant_of(parse(JOB, job_id))
    with transaction(access.lent()) as conn:
        job = own_job(conn, caller().tenant_id, job_id)
    template_id = template_of_child(job, caller().template_id)
    hidden = None
    with transaction(access.lent()) as conn:
        try:
            personal_data.require_admin_for_items(conn, job)
        except Forbidden as error:
            if to_change:
                raise
            hidden = error.message
        mending = mending_of(
            conn,
            job,
            template_id,
            services().template_cache,
            most_bytes=services().settings.max_item_bytes,
            keys=services().master_keys,
        )
    return Opened(mending, hidden)
