"""Sweep, workers, webhooks and jobs, as their database shows them."""

from ingest.db import doctor as facts
from ingest.doctor.line import Line, fail, ok, warn
from ingest.ids import JOB, spell

# Sweep looks every second; a job is begun within seconds, or there are too few workers.
_LATE_SECONDS = 60


def sweep(sessions: facts.Sessions, lag: float | None, *, lent: bool) -> Line:
    """Report on the sweeper. Behind a pooler its connection cannot be told from others, so only late checks count."""
    late = lag is not None and lag > _LATE_SECONDS
    due = f"; a job has waited for its check for {lag:,.0f} s" if late else ""
    if lent and not late:
        return ok("sweep", "no job waits for its check; behind a pooler, no more can be seen of it")
    if not (sessions.sweeps or lent):
        advice = "Start it (`python -m worker.sweep`): without it, a job whose message is lost does not run"
        return fail("sweep", f"it is not running: none is connected{due}", advice)
    if late:
        advice = "Read its log; if it says nothing, restart it; if it is busy, add workers"
        return fail("sweep", f"it is connected but does not keep up{due}", advice)
    return ok("sweep", f"{sessions.sweeps} connected, and no job waits for its check")


def workers(
    running: int | None, sessions: facts.Sessions, waits: facts.Waiting | None, swept: int, *, lent: bool
) -> Line:
    """Report on the workers.

    Args:
        running: processes by their heartbeats, idle ones too; None: the broker does not answer.
        sessions: those of a worker that has work.
        waits: the jobs that could begin.
        swept: jobs that the sweeper ran, because no worker came.
        lent: a pooler lends the sessions, so nobody knows whose they are.
    """
    late = waits is not None and waits.seconds > _LATE_SECONDS
    if swept:
        found = f"no worker came for {swept:,} jobs of the last 10 minutes: the sweeper ran them, seconds late"
        unseen = "Start workers; if they run, see that their REDIS_URL is this one, and their log"
        return fail("workers", found, "They run, and on this broker: read their log" if running else unseen)
    if running is None:
        return warn("workers", "how many run is not known, because the broker does not answer", "See to the broker")
    if not running:
        found = f"none runs, though {waits.jobs:,} jobs wait" if waits else "none runs"
        advice = "Start workers, on the broker that REDIS_URL names: without them, the sweeper runs jobs, seconds late"
        return fail("workers", found, advice) if late else warn("workers", found, advice)
    found = f"{running:,} processes run"
    if waits and late and not (sessions.workers or lent):
        found += f", none of them is connected to the database, and {waits.jobs:,} jobs wait"
        return fail("workers", found, "See that the workers' DATABASE_URL is this one, and read their log")
    return ok("workers", found)


def webhooks(sessions: facts.Sessions, lag: float | None, *, lent: bool) -> Line:
    """Report on the process that sends messages to webhooks; only messages that are late show that it is missing."""
    late = lag is not None and lag > _LATE_SECONDS
    if late:
        found = f"a message has waited for {lag:,.0f} s to be sent"
        if not (sessions.webhooks or lent):
            return fail("webhooks", f"{found}, and no process is connected", "Start it (`python -m worker.webhooks`)")
        advice = "Read the log of `webhooks`; if it is busy, start another one"
        return warn("webhooks", found, advice)
    return ok("webhooks", f"{sessions.webhooks} connected, and no message waits to be sent")


def waiting(oldest: facts.Waiting | None) -> Line:
    """Check that no job waits long to begin."""
    if oldest is None:
        return ok("waiting", "no job waits to be begun")
    found = (
        f"{oldest.jobs:,} jobs wait to be begun, the oldest, {spell(JOB, oldest.oldest)}, for {oldest.seconds:,.0f} s"
    )
    if oldest.seconds > _LATE_SECONDS:
        return warn("waiting", found, "If workers are running, there are too few of them: add some")
    return ok("waiting", found)


def jobs(by_state: dict[str, int]) -> Line:
    """Return how many jobs there are."""
    return ok("jobs", ", ".join(f"{count:,} {state}" for state, count in sorted(by_state.items())) or "none yet")
