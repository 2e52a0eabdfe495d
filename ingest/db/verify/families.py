"""Invariants of retries: the marks on item errors and blocks, by which one job of a family at a time has an item."""

from ingest.db.verify.check import Check
from ingest.db.verify.jobs import REPORT
from ingest.ids import JOB

RETRIED = Check(
    name="job_errors_retried",
    invariant="A child of a retry has each item once: as many errors are marked as its own as it has items, or fewer",
    wrong="children of retries that took more failed items than they have",
    advice="An item may have been sent again twice: " + REPORT,
    prefix=JOB,
    query="""
SELECT e.retried_in, concat('marked ', e.marked, ', items ', coalesce(j.total::text, 'of no child'))
FROM (SELECT retried_in, count(*) AS marked FROM job_errors WHERE retried_in IS NOT NULL GROUP BY retried_in) e
JOIN jobs j ON j.id = e.retried_in
WHERE e.marked > j.total OR (j.options ->> 'picked') IS DISTINCT FROM 'failed'
""",
)

# Retention may have deleted a job between the two, of which nobody knows any more that it was in the family.
IN_FAMILY = Check(
    name="job_retried_in_family",
    invariant="A job whose items a retry has taken is the retried one or descends from it, and is of its tenant",
    wrong="retries that have taken items of a job of another family or tenant",
    advice="An item may be missing, or be sent again twice: " + REPORT,
    prefix=JOB,
    query="""
SELECT m.retried_in, concat(m.picked, ' items of the job ', m.job_id)
FROM (SELECT DISTINCT job_id, retried_in, 'failed' AS picked FROM job_errors WHERE retried_in IS NOT NULL
      UNION ALL
      SELECT DISTINCT job_id, retried_in, 'unprocessed' FROM job_blocks WHERE retried_in IS NOT NULL) m
JOIN jobs r ON r.id = m.retried_in
JOIN jobs j ON j.id = m.job_id
WHERE r.tenant_id <> j.tenant_id OR (r.options ->> 'picked') IS DISTINCT FROM m.picked OR NOT EXISTS (
    WITH RECURSIVE line (id) AS (
        SELECT m.job_id
        UNION ALL
        SELECT p.parent_job_id FROM line l JOIN jobs p ON p.id = l.id WHERE p.parent_job_id IS NOT NULL
    )
    SELECT FROM line l WHERE l.id = r.parent_job_id OR NOT EXISTS (SELECT FROM jobs p WHERE p.id = l.id))
""",
)

CHECKS = (RETRIED, IN_FAMILY)
