"""Invariants of uploads and their parts: `complete` makes a job of exactly what was answered for."""

from ingest.db.verify.check import Check
from ingest.ids import UPLOAD

_REPORT = "keep a copy of the rows (uploads, upload_parts, and job_blocks of its job) and report it"
_AGAIN = "Have its client send these parts again, or all of them in a new upload; and " + _REPORT

# The number of the attempt that a block belongs to, by its own: `ingest.db.jobs.parts`.
_ATTEMPT = "(9999 - b.no) / 10000"

UPLOADS_JOB = Check(
    name="upload_job",
    invariant="An open upload's job is still being received, a completed one's is not, and both are the tenant's own",
    wrong="uploads whose job is in another state than they, or another tenant's",
    advice="Its client may have been told of a job that does not run, or parts may be lost: " + _REPORT,
    prefix=UPLOAD,
    query="""
SELECT u.id, concat(u.status, ', job ', coalesce(j.status, 'none'), CASE WHEN j.tenant_id <> u.tenant_id
                    THEN ' of tenant ' || j.tenant_id END)
FROM uploads u LEFT JOIN jobs j ON j.id = u.job_id
WHERE u.status <> 'gone'
  AND (j.id IS NULL OR (u.status = 'open') <> (j.status = 'receiving') OR j.tenant_id <> u.tenant_id)
""",
)

PARTS_BLOCKS = Check(
    name="upload_part_blocks",
    invariant="A part of an open upload has as many blocks as it counts, of as many items",
    wrong="parts of uploads that hold other blocks than they count",
    advice="What was sent is gone in part, or stands twice. " + _AGAIN,
    prefix=UPLOAD,
    query=f"""
SELECT p.upload_id, concat('part ', p.part, ', counted ', p.blocks, ' blocks of ', p.items, ' items, there ',
                           count(b.no), ' of ', coalesce(sum(b.items), 0))
FROM upload_parts p JOIN uploads u ON u.id = p.upload_id AND u.status = 'open'
LEFT JOIN job_blocks b ON b.job_id = u.job_id AND {_ATTEMPT} = p.number
GROUP BY p.tenant_id, p.id HAVING count(b.no) <> p.blocks OR (p.whole AND coalesce(sum(b.items), 0) <> p.items)
""",
)

BLOCKS_PART = Check(
    name="upload_block_part",
    invariant="Each block of an open upload belongs to an attempt at a part",
    wrong="uploads that hold blocks of no part",
    advice="Had it been completed, items might have been done twice. " + _AGAIN,
    prefix=UPLOAD,
    query=f"""
SELECT u.id, concat('block ', min(b.no))
FROM uploads u JOIN job_blocks b ON b.job_id = u.job_id
LEFT JOIN upload_parts p ON p.upload_id = u.id AND p.number = {_ATTEMPT}
WHERE u.status = 'open' AND p.id IS NULL
GROUP BY u.id
""",
)

PARTS_SUM = Check(
    name="upload_parts_sum",
    invariant="The items of a completed upload's parts sum to its job's total, and all of its parts are whole",
    wrong="completed uploads whose parts are not what their job holds",
    advice="Compare what is stored with what was sent: " + _REPORT,
    prefix=UPLOAD,
    query="""
SELECT u.id, concat('items ', coalesce(sum(p.items), 0), ', total ', j.total)
FROM uploads u JOIN jobs j ON j.id = u.job_id LEFT JOIN upload_parts p ON p.upload_id = u.id
WHERE u.status = 'completed'
GROUP BY u.id, j.total HAVING coalesce(sum(p.items), 0) <> j.total OR NOT bool_and(p.whole)
""",
)

CHECKS = (UPLOADS_JOB, PARTS_BLOCKS, BLOCKS_PART, PARTS_SUM)
