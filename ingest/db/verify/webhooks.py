"""Invariants of webhooks and their deliveries: nobody is told of another tenant's jobs, and no end is left out."""

from ingest.db.verify.check import Check
from ingest.ids import JOB, MESSAGE

_REPORT = "keep a copy of the rows (webhooks, webhook_deliveries, webhook_tries) and report it"

DELIVERIES_TENANT = Check(
    name="delivery_tenant",
    invariant="A delivery, its webhook and its job are of the same tenant",
    wrong="deliveries to another tenant than the job's",
    advice="This is a breach of the separation of tenants: disable the webhook until it is known who was told what, "
    + _REPORT,
    prefix=MESSAGE,
    query="""
SELECT d.id, concat('tenant ', d.tenant_id, ', webhook of ', w.tenant_id, ', job of ', j.tenant_id)
FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id LEFT JOIN jobs j ON j.id = d.job_id
WHERE d.tenant_id <> w.tenant_id OR d.tenant_id <> j.tenant_id
""",
)

# Behind its tries a delivery may have the row of a fault of ours, which is none.
DELIVERIES_TRIES = Check(
    name="delivery_tries",
    invariant="A delivery has as many tries as it counts, and one that is delivered has one that succeeded",
    wrong="deliveries that count other tries than they have",
    advice="Ask the receiver what it has got under this id, and replay the delivery if need be: " + _REPORT,
    prefix=MESSAGE,
    query="""
SELECT d.id, concat(d.status, ', counted ', d.tries, ', there ', count(t.number))
FROM webhook_deliveries d LEFT JOIN webhook_tries t ON t.delivery_id = d.id AND t.number <= d.tries
GROUP BY d.id, d.status, d.tries
HAVING count(t.number) <> d.tries
    OR (d.status = 'delivered' AND NOT coalesce(bool_or(t.error IS NULL AND t.status BETWEEN 200 AND 299), false))
""",
)

# One statement makes the callback's row and its message; a client may delete it, or disable it, afterwards.
CALLBACKS_TOLD = Check(
    name="callback_told",
    invariant="The announced end of a job that has a callback has left it a message",
    wrong="jobs whose callback was not told of their end",
    advice="The clients wait for these: tell them to read the jobs, " + _REPORT,
    prefix=JOB,
    query="""
SELECT j.id, concat(j.status, ' at ', j.ended_at)
FROM jobs j
WHERE j.options ? 'callback' AND j.ended_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM job_ends e WHERE e.job_id = j.id)
  AND NOT EXISTS (SELECT FROM webhooks w WHERE w.id = j.id)
""",
)

CHECKS = (DELIVERIES_TENANT, DELIVERIES_TRIES, CALLBACKS_TOLD)
