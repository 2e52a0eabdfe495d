"""Invariants of the blocks of jobs: they hold all items of their job, each once, and what is left to do."""

from ingest.db.verify.check import Check
from ingest.db.verify.jobs import RECOUNT, REPORT
from ingest.ids import JOB
from ingest.jobs import TRIAL

# The blocks of an upload are numbered into its job, and counted, when it is completed; `uploads` looks at them before.
_NOT_UPLOADED = "NOT EXISTS (SELECT FROM uploads u WHERE u.job_id = {} AND u.status = 'open')"

BLOCKS_SUM = Check(
    name="job_blocks_sum",
    invariant="The items of a job's blocks sum to its total, but where it checks stored rows and counts them",
    wrong="jobs whose blocks do not hold as many items as their total",
    advice="Part of the stored batch is gone or stands twice. Cancel the job if it has not ended "
    "(`sluice jobs cancel`), and have its client send the batch again",
    prefix=JOB,
    query=f"""
SELECT j.id, concat('items ', coalesce(b.items, 0), ', total ', j.total)
FROM jobs j
LEFT JOIN (SELECT job_id, sum(items) AS items FROM job_blocks GROUP BY job_id) b ON b.job_id = j.id
WHERE coalesce(b.items, 0) <> j.total AND j.kind <> '{TRIAL}' AND {_NOT_UPLOADED.format("j.id")}
""",
)

BLOCKS_FOLLOW = Check(
    name="job_blocks_follow",
    invariant="A job's blocks follow one another from item 0 on, with no gap and no overlap",
    wrong="jobs whose blocks leave a gap or overlap",
    advice="The indexes of this job's item errors cannot be trusted: " + REPORT,
    prefix=JOB,
    query=f"""
SELECT job_id, concat('block ', min(no))
FROM (SELECT job_id, no, first_index,
             row_number() OVER earlier - 1 AS expected_no,
             coalesce(sum(items) OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS expected_index
      FROM job_blocks WINDOW earlier AS (PARTITION BY job_id ORDER BY no)) b
WHERE (no <> expected_no OR first_index <> expected_index
         AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = b.job_id AND j.options ? 'picked'))
  AND {_NOT_UPLOADED.format("b.job_id")}
GROUP BY job_id
""",
)

BLOCKS_OPEN = Check(
    name="job_blocks_open",
    invariant="A job's blocks_open is the number of its open blocks",
    wrong="jobs that count another number of open blocks than they have",
    advice="The job ends too early or never. Cancel it if it has not ended (`sluice jobs cancel`), and have its client "
    "send the batch again",
    prefix=JOB,
    query=f"""
SELECT j.id, concat('blocks_open ', j.blocks_open, ', open blocks ', coalesce(b.open, 0))
FROM jobs j
LEFT JOIN (SELECT job_id, count(*) AS open FROM job_blocks WHERE open GROUP BY job_id) b ON b.job_id = j.id
WHERE coalesce(b.open, 0) <> j.blocks_open AND {_NOT_UPLOADED.format("j.id")}
""",
)

CLOSED_PROCESSED = Check(
    name="job_closed_processed",
    invariant="The items of a job's closed blocks are those that it counts as processed, but in atomic and trial ones",
    wrong="jobs that count another number of processed items than their closed blocks hold",
    advice=RECOUNT,
    prefix=JOB,
    query=f"""
SELECT j.id, concat('processed ', j.total - j.unprocessed, ', items of closed blocks ', coalesce(b.items, 0))
FROM jobs j
LEFT JOIN (SELECT job_id, sum(items) AS items FROM job_blocks WHERE NOT open GROUP BY job_id) b ON b.job_id = j.id
WHERE coalesce(b.items, 0) <> j.total - j.unprocessed AND j.error_code IS DISTINCT FROM 'ATOMIC_ABORTED'
  AND j.kind <> '{TRIAL}'
""",
)

PAYLOAD_LOST = Check(
    name="job_payload_lost",
    invariant="An open block has its payload",
    wrong="jobs with an open block whose payload is gone",
    advice="These items were accepted and are lost. Cancel the job if it has not ended (`sluice jobs cancel`), and "
    "have its client send the batch again",
    prefix=JOB,
    query="""
SELECT job_id, concat('block ', min(no)) FROM job_blocks WHERE open AND payload = '' GROUP BY job_id
""",
)

PAYLOAD_KEPT = Check(
    name="job_payload_kept",
    invariant="A closed block has no payload any more, unless its job only validated it",
    wrong="jobs with a closed block that still has its payload",
    advice="What the client sent is kept longer than it should be, until the job is purged: " + REPORT,
    prefix=JOB,
    query="""
SELECT b.job_id, concat('block ', min(b.no)) FROM job_blocks b JOIN jobs j ON j.id = b.job_id
WHERE NOT b.open AND b.payload <> '' AND (j.options ? 'validate_only') IS NOT TRUE GROUP BY b.job_id
""",
)

CHECKS = (
    BLOCKS_SUM,
    BLOCKS_FOLLOW,
    BLOCKS_OPEN,
    CLOSED_PROCESSED,
    PAYLOAD_LOST,
    PAYLOAD_KEPT,
)
