"""Invariant of the ids that are gone: a call is told of a job that retention has deleted, and of no other."""

from ingest.db.verify.check import Check

GONE_IDS = Check(
    name="gone_id",
    invariant="An id that is gone is the id of no job and no upload that is stored, and was a tenant's",
    wrong="ids that count as gone, of jobs or uploads that are stored, or of no tenant",
    advice="A backup was restored in part, or rows were added by hand: delete these rows of `gone_ids`",
    prefix=None,
    query="""
SELECT g.id, concat('gone_ids.tenant_id ', g.tenant_id, CASE WHEN t.id IS NULL THEN ', which is not there' END,
                    CASE WHEN j.id IS NOT NULL THEN ', a stored job' END,
                    CASE WHEN u.id IS NOT NULL THEN ', a stored upload' END)
FROM gone_ids g
LEFT JOIN jobs j ON j.id = g.id LEFT JOIN uploads u ON u.id = g.id LEFT JOIN tenants t ON t.id = g.tenant_id
WHERE j.id IS NOT NULL OR u.id IS NOT NULL OR t.id IS NULL
""",
)

CHECKS = (GONE_IDS,)
