"""Invariants of jobs, their item errors and keys: promises 2 and 4, as they stand in the tables."""

from ingest.db.tenants.idempotency import LIFE
from ingest.db.verify.check import Check
from ingest.ids import JOB
from ingest.jobs import MOST_TRIAL_ERRORS_KEPT, MOST_WARNINGS_KEPT, TRIAL

RECOUNT = (
    "The written rows are in entities, events and states, but do not trust this job's counts. Have its client "
    "send the batch again: entities and states then end as sent; for events, compare them with what is stored first"
)
REPORT = "keep a copy of the job's rows (jobs, job_blocks, job_errors, job_warnings) and report it"

EFFECTS_SUM = Check(
    name="job_effects_sum",
    invariant="Every item of a job has exactly one effect: none is below zero, and they sum to its total",
    wrong="jobs whose effects do not sum to their total",
    advice=RECOUNT,
    prefix=JOB,
    query="""
SELECT id, concat('effects ', created + updated + unchanged + duplicate + failed + unprocessed, ', total ', total)
FROM jobs
WHERE total <> created + updated + unchanged + duplicate + failed + unprocessed
   OR least(created, updated, unchanged, duplicate, failed, unprocessed) < 0
""",
)

ERRORS_FAILED = Check(
    name="job_errors_failed",
    invariant="A job has one item error for each item that it counts as failed; a check of stored rows the first ones",
    wrong="jobs that count another number of failed items than they have item errors",
    advice="Its client was not told of every refused item. Have it send the batch again, or compare what is stored",
    prefix=JOB,
    query=f"""
SELECT j.id, concat('failed ', j.failed, ', item errors ', coalesce(e.errors, 0))
FROM jobs j
LEFT JOIN (SELECT job_id, count(*) AS errors FROM job_errors GROUP BY job_id) e ON e.job_id = j.id
WHERE CASE WHEN j.kind = '{TRIAL}'
           THEN coalesce(e.errors, 0) > j.failed OR coalesce(e.errors, 0) < least(j.failed, {MOST_TRIAL_ERRORS_KEPT})
           ELSE coalesce(e.errors, 0) <> j.failed END
""",
)

HAD_ERRORS = Check(
    name="job_had_errors",
    invariant="A job is in the list of jobs with errors only if it counts failed items",
    wrong="jobs that are listed as having errors, and count no failed item",
    advice="Only `GET /batch/jobs?has_errors=true` shows too much: " + REPORT,
    prefix=JOB,
    query="SELECT id, status FROM jobs WHERE had_errors AND failed = 0",
)

ERRORS_WITHIN = Check(
    name="job_errors_within",
    invariant="An item error's index is that of an item of its job: 0 to total - 1, unless it was picked from another",
    wrong="jobs with an item error for an index that the batch does not have",
    advice="The indexes of this job's item errors cannot be trusted: " + REPORT,
    prefix=JOB,
    query="""
SELECT j.id, concat('index ', min(e.index), ' to ', max(e.index), ', total ', j.total)
FROM job_errors e JOIN jobs j ON j.id = e.job_id
WHERE e.index < 0 OR e.index >= j.total AND (j.options ? 'picked') IS NOT TRUE
GROUP BY j.id, j.total
""",
)

WARNINGS_KEPT = Check(
    name="job_warnings_kept",
    invariant=f"A job has as many warnings as it counts, or the first {MOST_WARNINGS_KEPT:,}",
    wrong="jobs that have fewer or more warnings than they count",
    advice="Its client was not told of all that it should know, or of something twice: " + REPORT,
    prefix=JOB,
    query=f"""
SELECT j.id, concat('counted ', j.warnings, ', kept ', coalesce(w.kept, 0))
FROM jobs j
LEFT JOIN (SELECT job_id, count(*) AS kept FROM job_warnings GROUP BY job_id) w ON w.job_id = j.id
WHERE coalesce(w.kept, 0) > j.warnings OR coalesce(w.kept, 0) < least(j.warnings, {MOST_WARNINGS_KEPT})
""",
)

COMPLETED = Check(
    name="job_completed",
    invariant="A completed job has nothing unprocessed and no open block",
    wrong="completed jobs with work left",
    advice="Its client was told that all is done, and it is not. Have it send the batch again",
    prefix=JOB,
    query="""
SELECT j.id, concat('unprocessed ', j.unprocessed, ', blocks_open ', j.blocks_open)
FROM jobs j
WHERE j.status = 'completed'
  AND (j.unprocessed <> 0 OR j.blocks_open <> 0
       OR EXISTS (SELECT FROM job_blocks b WHERE b.job_id = j.id AND b.open))
""",
)

UNFINISHED = Check(
    name="job_unfinished",
    invariant="A job that has not ended has an open block",
    wrong="jobs that have not ended although no block of theirs is left to be done",
    advice="Sweep ends such a job as failed within a minute, or once it is resumed. If it is still here after that, "
    "sweep is not running: start it",
    prefix=JOB,
    query="""
SELECT j.id, j.status
FROM jobs j
WHERE j.status IN ('pending', 'processing', 'paused')
  AND NOT EXISTS (SELECT FROM job_blocks b WHERE b.job_id = j.id AND b.open)
""",
)

ENDED_AT = Check(
    name="job_ended_at",
    invariant="A job has an end time if and only if it has ended",
    wrong="jobs whose end time does not fit their status",
    advice="A job that ended without a time is never purged, and one with a time too early: " + REPORT,
    prefix=JOB,
    query="""
SELECT id, concat(status, ', ended_at ', coalesce(ended_at::text, 'not set'))
FROM jobs
WHERE (ended_at IS NOT NULL) <> (status IN ('completed', 'failed', 'cancelled'))
""",
)

ANNOUNCED_EARLY = Check(
    name="job_end_early",
    invariant="An end that waits to be announced is that of a job that has ended",
    wrong="ends to announce of jobs that are not there or have not ended",
    advice="Clients may be told that a job is over which is not. Sweep deletes such a row within seconds; if there are "
    "more, " + REPORT,
    prefix=JOB,
    query="""
SELECT e.job_id, coalesce(j.status, 'no job') FROM job_ends e LEFT JOIN jobs j ON j.id = e.job_id
WHERE j.ended_at IS NULL
""",
)

# A second of tolerance: times come from the starts of transactions and from the clock, which may be set back a little.
PROGRESS = Check(
    name="job_progress",
    invariant="A job was created, begun, moved on and ended in that order, and begun if it is past pending",
    wrong="jobs whose times are out of order or do not fit their status",
    advice="If there are many, the clock of the database's machine was set back: see to its time service. "
    "If there are few: " + REPORT,
    prefix=JOB,
    query="""
SELECT id, concat(status, ', created ', created_at, ', started ', coalesce(started_at::text, 'never'),
                  ', progressed ', progressed_at, ', ended ', coalesce(ended_at::text, 'not yet'))
FROM jobs
WHERE (status = 'pending' AND (started_at IS NOT NULL OR unprocessed <> total))
   OR (status IN ('processing', 'completed') AND started_at IS NULL)
   OR created_at > least(started_at, progressed_at, ended_at) + interval '1 second'
   OR started_at > least(progressed_at, ended_at) + interval '1 second'
   OR progressed_at > ended_at + interval '1 second'
""",
)

OWNER = Check(
    name="job_owner",
    invariant="A job's tenant is there, and its template where it has one",
    wrong="jobs whose tenant or template is missing",
    advice="Rows of `tenants` or `templates` were deleted, which Sluice never does: restore them from a backup",
    prefix=JOB,
    query="""
SELECT j.id, concat(CASE WHEN t.id IS NULL THEN 'no tenant ' || j.tenant_id END,
                    CASE WHEN t.id IS NULL AND m.id IS NULL AND j.template_id IS NOT NULL THEN ', ' END,
                    CASE WHEN m.id IS NULL THEN 'no template ' || j.template_id END)
FROM jobs j LEFT JOIN tenants t ON t.id = j.tenant_id LEFT JOIN templates m ON m.id = j.template_id
WHERE t.id IS NULL OR (m.id IS NULL AND j.template_id IS NOT NULL)
""",
)

KEY_JOB = Check(
    name="idempotency_key_job",
    invariant="An idempotency key of a batch names a job of the key's tenant",
    wrong="idempotency keys that name no job, or another tenant's",
    advice="A repeat of such a batch is not answered by its own job: keep a copy of the rows and report it",
    prefix=JOB,
    query=f"""
SELECT k.job_id, concat('key of tenant ', k.tenant_id, ', ', coalesce('job of tenant ' || j.tenant_id, 'no job'))
FROM idempotency_keys k LEFT JOIN jobs j ON j.id = k.job_id
WHERE k.job_id IS NOT NULL AND j.tenant_id IS DISTINCT FROM k.tenant_id AND k.created_at > now() - {LIFE}
""",
)

ON_HOLD = Check(
    name="job_on_hold",
    invariant="A paused job is on hold, and no job that a worker has begun and may go on with",
    wrong="jobs that are on hold and should not be, or the other way round",
    advice="Later jobs wait for such a job, or overtake it. Pause and resume it (`sluice jobs`); and " + REPORT,
    prefix=JOB,
    query="""
SELECT id, concat(status, ', on hold since ', coalesce(on_hold_since::text, 'never')) FROM jobs
WHERE (status = 'paused' AND on_hold_since IS NULL)
   OR (status IN ('receiving', 'processing') AND on_hold_since IS NOT NULL)
""",
)

TIMELINE = Check(
    name="job_timeline",
    invariant="Nothing happened to a job before it was accepted, and a cancelled job says once that it was",
    wrong="jobs whose timeline does not fit them",
    advice="Their clients are told a wrong history, and nothing else is wrong with them: " + REPORT,
    prefix=JOB,
    query="""
SELECT j.id, concat(j.status, ', first entry ', t.first, ', cancellations ', coalesce(t.cancellations, 0))
FROM jobs j LEFT JOIN (
    SELECT job_id, min(at) AS first, count(*) FILTER (WHERE what = 'cancelled') AS cancellations
    FROM job_timeline GROUP BY job_id) t ON t.job_id = j.id
WHERE t.first < j.created_at - interval '1 second'
   OR coalesce(t.cancellations, 0) <> (j.status = 'cancelled')::integer
""",
)

CHECKS = (
    EFFECTS_SUM,
    ERRORS_FAILED,
    HAD_ERRORS,
    ERRORS_WITHIN,
    WARNINGS_KEPT,
    COMPLETED,
    UNFINISHED,
    ENDED_AT,
    ANNOUNCED_EARLY,
    PROGRESS,
    ON_HOLD,
    TIMELINE,
    OWNER,
    KEY_JOB,
)
