"""Jobs that do not move though nothing keeps them: promise 4, every job ends."""

from ingest.db.jobs.claims import BLOCKED, FREE_SINCE, HEADS, HELD_BACK
from ingest.db.verify.check import Check
from ingest.ids import JOB, MESSAGE, UPLOAD

_SWEEP = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice-sweep'"

# The sweeper checks, of the pending jobs, each tenant's next one, which is due only since it became that.
_LATE = f"""
SELECT j.id, concat('due for ', date_trunc('second', now() - j.due)) FROM (
    SELECT id, check_at AS due FROM jobs WHERE status = 'processing'
    UNION ALL
    SELECT j.id, greatest(j.check_at, {FREE_SINCE}) FROM tenants t CROSS JOIN LATERAL ({HEADS}) h
    JOIN jobs j ON j.id = h.id AND j.status = 'pending') j
WHERE j.due < now() - interval '1 minute'
"""

SWEEP_RUNS = Check(
    name="sweep_runs",
    invariant="Sweep runs: no job that has not ended waits for its check longer than a minute",
    wrong="sweep is not running: no process of it is connected, and jobs wait for its check",
    advice="Start it (`python -m worker.sweep`, one is enough) and read its log for why it ended. Until then a job "
    "whose message was lost does not run",
    prefix=JOB,
    query=f"{_LATE} AND NOT EXISTS ({_SWEEP})",
)

SWEEP_KEEPS_UP = Check(
    name="sweep_keeps_up",
    invariant="Sweep keeps up: while it runs, no job that has not ended waits for its check longer than a minute",
    wrong="sweep is connected but does not keep up: jobs wait for its check",
    advice="Read its log. If it reports nothing, it hangs: restart it. If it works, more jobs wait than it can "
    "check: add workers",
    prefix=JOB,
    query=f"{_LATE} AND EXISTS ({_SWEEP})",
)

# The sweeper puts its next check off by 30 seconds at most.
CHECK_AHEAD = Check(
    name="sweep_look_ahead",
    invariant="Sweep checks a job that has not ended again within half a minute",
    wrong="jobs that sweep will not check for long",
    advice="The clock of the database's machine was set back, or somebody changed the rows. Mend it with: UPDATE jobs "
    "SET check_at = now() WHERE ended_at IS NULL",
    prefix=JOB,
    query="""
SELECT id, concat('in ', date_trunc('second', check_at - now())) FROM jobs
WHERE status IN ('pending', 'processing') AND check_at > now() + interval '2 minutes'
""",
)

# A block that is held has its holder's transaction in xmax. To ask by a lock would write, and take the block from a
# worker that comes just then.
STUCK = Check(
    name="job_stuck",
    invariant="A job whose first open block is free, and which waits for no other, is soon carried on",
    wrong="jobs that nobody works on and that did not move for long",
    advice="Run `sluice doctor`: is a worker connected, does sweep run? If other jobs move meanwhile, there is more "
    "work than the workers can do: add some. If not, the workers' log says why, under the job's id",
    prefix=JOB,
    query=f"""
SELECT j.id, concat(j.status, ', no progress for ',
                    date_trunc('second', now() - greatest(j.progressed_at, {FREE_SINCE})), ', attempts ', j.attempts)
FROM jobs j
JOIN job_blocks b ON b.job_id = j.id AND b.open
                 AND b.no = (SELECT min(no) FROM job_blocks WHERE job_id = j.id AND open)
WHERE j.status IN ('pending', 'processing') AND j.on_hold_since IS NULL AND NOT {HELD_BACK} AND NOT {BLOCKED}
  AND greatest(j.progressed_at, {FREE_SINCE}) < now() - make_interval(secs => %(stuck_after)s)
  AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.backend_xid = b.xmax)
""",
)

# As sweep's own statement has it, with time for sweep to have done it.
OVERDUE = Check(
    name="job_overdue",
    invariant="A job that was tried again and again without progress until its deadline is ended as failed",
    wrong="jobs past their deadline that sweep has not ended",
    advice="Is sweep running (`sluice doctor`)? `sluice jobs cancel` ends the job now; the workers' log says, under "
    "its id, why it did not move",
    prefix=JOB,
    query="""
SELECT j.id, concat('no progress for ', date_trunc('second', now() - j.progressed_at), ', deliveries ', b.deliveries)
FROM jobs j JOIN job_blocks b ON b.job_id = j.id AND b.open AND b.deliveries >= 5
WHERE j.status = 'processing' AND j.check_at < now() - interval '10 seconds'
  AND j.progressed_at < now() - make_interval(secs => %(deadline)s) - interval '1 minute'
""",
)

LATE_FOR_CLIENT = Check(
    name="job_past_deadline",
    invariant="A job that has not ended by the deadline which its client set is ended as failed",
    wrong="jobs past their client's deadline that sweep has not ended",
    advice="Is sweep running (`sluice doctor`)? It ends such a job within seconds",
    prefix=JOB,
    query="""
SELECT id, concat('due ', date_trunc('second', now() - deadline_at), ' ago') FROM jobs
WHERE deadline_at < now() - interval '1 minute' AND ended_at IS NULL
""",
)

# The process that ended the job announces it at once; the sweeper, in its next rounds.
ANNOUNCED_LATE = Check(
    name="job_end_late",
    invariant="The end of a job is announced within a minute",
    wrong="ended jobs that were not announced to the requests and jobs that wait for them",
    advice="Is sweep running (`sluice doctor`)? It announces what other processes left. Nothing is lost: requests and "
    "jobs that wait go on without it, only later",
    prefix=JOB,
    query="""
SELECT e.job_id, concat('ended ', date_trunc('second', now() - e.ended_at), ' ago')
FROM job_ends e JOIN jobs j ON j.id = e.job_id
WHERE e.ended_at < now() - interval '1 minute' AND j.ended_at IS NOT NULL
""",
)

# A try puts the delivery off by a minute.
MESSAGES_LATE = Check(
    name="delivery_late",
    invariant="A message to a webhook is sent within a minute of when it is due",
    wrong="messages to webhooks that nobody sends",
    advice="Start the process that does (`python -m worker.webhooks`), or read its log. If it runs, it has more to "
    "send than receivers take: start another one",
    prefix=MESSAGE,
    query="""
SELECT id, concat('due ', date_trunc('second', now() - next_at), ' ago') FROM webhook_deliveries
WHERE next_at < now() - interval '1 minute'
""",
)

# The sweeper settles what pauses and resumes left, in its next rounds.
HELD_WRONGLY = Check(
    name="job_held_wrongly",
    invariant="A pending job is on hold if it waits for one that is, and else not",
    wrong="jobs that nobody runs, or that later jobs wait for, since they are on hold by mistake or should be",
    advice="Is sweep running (`sluice doctor`)? It puts this right within a minute",
    prefix=JOB,
    query="""
SELECT j.id, concat('on hold since ', coalesce(j.on_hold_since::text, 'never'))
FROM jobs j LEFT JOIN jobs a ON a.id = j.after_job_id
WHERE j.status = 'pending' AND greatest(j.created_at, j.on_hold_since, a.on_hold_since) < now() - interval '1 minute'
  AND (j.on_hold_since IS NOT NULL)
      <> coalesce(a.status IN ('pending', 'paused') AND a.on_hold_since IS NOT NULL, false)
""",
)

# A request that reads a body touches its job each 10 s; the sweeper removes the job 40 s after the last touch.
LEFT_UNFINISHED = Check(
    name="job_left_unfinished",
    invariant="A job whose request died while its body arrived is removed within a few minutes",
    wrong="jobs whose body does not arrive any more",
    advice="Is sweep running (`sluice doctor`)? It removes them with their blocks; no client was told of any of them",
    prefix=JOB,
    query="""
SELECT j.id, concat('touched ', date_trunc('second', now() - j.progressed_at), ' ago') FROM jobs j
WHERE j.status = 'receiving' AND j.progressed_at < now() - interval '5 minutes'
  AND NOT EXISTS (SELECT FROM uploads u WHERE u.job_id = j.id)
""",
)

UPLOADS_LEFT = Check(
    name="upload_left",
    invariant="An upload goes once no part came for 24 hours, and a part that broke off after 40 seconds",
    wrong="uploads or parts that nobody goes on with, and that take room",
    advice="Is sweep running (`sluice doctor`)? It removes them with their blocks",
    prefix=UPLOAD,
    query="""
SELECT id, concat('heard of ', date_trunc('second', now() - heard_at), ' ago') FROM uploads
WHERE status = 'open' AND heard_at < now() - interval '24 hours 5 minutes'
UNION ALL
SELECT upload_id, concat('part ', part, ' touched ', date_trunc('second', now() - touched_at), ' ago') FROM upload_parts
WHERE NOT whole AND touched_at < now() - interval '5 minutes'
""",
)

CHECKS = (
    SWEEP_RUNS,
    SWEEP_KEEPS_UP,
    CHECK_AHEAD,
    STUCK,
    OVERDUE,
    LATE_FOR_CLIENT,
    ANNOUNCED_LATE,
    HELD_WRONGLY,
    LEFT_UNFINISHED,
    UPLOADS_LEFT,
    MESSAGES_LATE,
)
