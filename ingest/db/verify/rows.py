"""Invariants of entities, events, links and states: nothing is torn apart, and no tenant's rows meet another's.

No foreign key guards these tables, since a trigger a row would cost more than the row. A purge by retention deletes
links before events, so what is past its tenant's retention may be torn for a while, and is left out here.
"""

from ingest.db.data.retention import EVENT_DAYS
from ingest.db.verify.check import Check
from ingest.ids import ENTITY, EVENT, JOB

_BACKUP = (
    "Sluice writes both in one transaction. Rows were deleted by hand, or a backup was restored in part: restore it "
    "as a whole. (Just after a tenant lengthened its retention, this may be what a purge had begun)"
)
_SEPARATION = (
    "This is a breach of the separation of tenants: suspend both tenants (`sluice tenants suspend`) until it is known "
    "who saw what, keep a copy of the rows, and report it"
)

LINKS_EVENT = Check(
    name="link_event",
    invariant="Every link of an event to an entity has its event",
    wrong="links without their event",
    advice=_BACKUP,
    prefix=ENTITY,
    query=f"""
SELECT e.public_id, concat('event_entities.event_id ', l.event_id)
FROM event_entities l
LEFT JOIN events v ON v.id = l.event_id
LEFT JOIN entities e ON e.id = l.entity_id
LEFT JOIN tenants t ON t.id = e.tenant_id
WHERE v.id IS NULL AND (l.occurred_at < now() - make_interval(days => {EVENT_DAYS})) IS NOT TRUE
""",
)

LINKS_ENTITY = Check(
    name="link_entity",
    invariant="Every link of an event to an entity has its entity",
    wrong="links without their entity",
    advice=_BACKUP,
    prefix=EVENT,
    query="""
SELECT v.public_id, concat('event_entities.entity_id ', l.entity_id)
FROM event_entities l LEFT JOIN entities e ON e.id = l.entity_id LEFT JOIN events v ON v.id = l.event_id
WHERE e.id IS NULL
""",
)

EVENTS_LINKED = Check(
    name="event_linked",
    invariant="Every event has a link to an entity",
    wrong="events without any link, which nobody can read",
    advice=_BACKUP,
    prefix=EVENT,
    query=f"""
SELECT v.public_id, concat('events.id ', v.id)
FROM events v LEFT JOIN tenants t ON t.id = v.tenant_id
WHERE NOT EXISTS (SELECT FROM event_entities l WHERE l.event_id = v.id)
  AND (v.occurred_at < now() - make_interval(days => {EVENT_DAYS})) IS NOT TRUE
""",
)

LINKS_TIME = Check(
    name="link_time",
    invariant="A link has the time of its event",
    wrong="links whose time is not that of their event",
    advice="Such events are listed out of order, and purged too early or too late. Set event_entities.occurred_at to "
    "the event's, and report it",
    prefix=EVENT,
    query="""
SELECT v.public_id, concat('link ', l.occurred_at, ', event ', v.occurred_at)
FROM event_entities l JOIN events v ON v.id = l.event_id
WHERE l.occurred_at <> v.occurred_at
""",
)

STATES_ENTITY = Check(
    name="state_entity",
    invariant="Every state has its entity",
    wrong="states without their entity",
    advice="Sluice deletes no entity's row. Rows were deleted by hand, or a backup was restored in part: restore it as "
    "a whole",
    prefix=ENTITY,
    query="""
SELECT NULL::uuid, concat('states.entity_id ', s.entity_id, ', key ', s.key)
FROM states s LEFT JOIN entities e ON e.id = s.entity_id
WHERE e.id IS NULL
""",
)

STATES_ERASED = Check(
    name="state_erased",
    invariant="A deleted entity has no states",
    wrong="states of deleted entities, which should have been erased",
    advice="They are personal data that somebody had erased. Delete these rows of `states`, and report it",
    prefix=ENTITY,
    query="""
SELECT e.public_id, concat('states.entity_id ', s.entity_id, ', key ', s.key)
FROM states s JOIN entities e ON e.id = s.entity_id
WHERE e.deleted_at IS NOT NULL
""",
)

ENTITIES_ERASED = Check(
    name="entity_erased",
    invariant="A deleted entity has no data",
    wrong="data of deleted entities, which should have been erased",
    advice="They are personal data that somebody had erased. Set properties to '{}' and pii and pii_digests to NULL in "
    "these rows, and report it",
    prefix=ENTITY,
    query="""
SELECT e.public_id, concat('entities.id ', e.id)
FROM entities e WHERE e.deleted_at IS NOT NULL AND (e.properties <> '{}' OR e.pii IS NOT NULL)
""",
)

# The values of `pii` are in base64 and begin with the byte f5, as `ingest.crypto` seals them.
ENTITIES_PERSONAL = Check(
    name="entity_personal",
    invariant="Personal data are encrypted, each with its digest, and stand in the clear nowhere else in their entity",
    wrong="entities whose personal data are torn, or in two places",
    advice="A process of a version before personal data were encrypted may have written to them: stop all such, and "
    "send these entities again. Otherwise rows were changed by hand: restore them from a backup",
    prefix=ENTITY,
    query="""
SELECT e.public_id, concat('entities.id ', e.id)
FROM entities e
WHERE (e.pii IS NOT NULL OR e.pii_digests IS NOT NULL) AND (
    e.pii IS NULL OR e.pii_digests IS NULL OR e.pii = '{}'
    OR ARRAY(SELECT jsonb_object_keys(e.pii)) <> ARRAY(SELECT jsonb_object_keys(e.pii_digests))
    OR e.properties ?| ARRAY(SELECT jsonb_object_keys(e.pii))
    OR EXISTS (SELECT FROM jsonb_each_text(e.pii) p WHERE p.value !~ '^9[QR]'))
""",
)

ENTITIES_TENANT = Check(
    name="entity_tenant",
    invariant="Every entity has its tenant",
    wrong="entities of a tenant that is not there",
    advice="Rows of `tenants` were deleted, which Sluice never does: restore them from a backup",
    prefix=ENTITY,
    query="""
SELECT e.public_id, concat('entities.tenant_id ', e.tenant_id)
FROM entities e LEFT JOIN tenants t ON t.id = e.tenant_id
WHERE t.id IS NULL
""",
)

EVENTS_TENANT = Check(
    name="event_tenant",
    invariant="Every event has its tenant",
    wrong="events of a tenant that is not there",
    advice="Rows of `tenants` were deleted, which Sluice never does: restore them from a backup",
    prefix=EVENT,
    query="""
SELECT v.public_id, concat('events.tenant_id ', v.tenant_id)
FROM events v LEFT JOIN tenants t ON t.id = v.tenant_id
WHERE t.id IS NULL
""",
)

LINKS_SEPARATE = Check(
    name="link_separate",
    invariant="A link joins an event and an entity of its own tenant",
    wrong="links that join rows of two tenants, or say that they are another one's",
    advice=_SEPARATION,
    prefix=EVENT,
    query="""
SELECT v.public_id, concat('link of tenant ', l.tenant_id, ', event of ', v.tenant_id, ', entity of ', e.tenant_id)
FROM event_entities l JOIN events v ON v.id = l.event_id JOIN entities e ON e.id = l.entity_id
WHERE v.tenant_id <> e.tenant_id OR l.tenant_id <> e.tenant_id
""",
)

STATES_SEPARATE = Check(
    name="state_separate",
    invariant="A state is of the tenant of its entity",
    wrong="states that say that they are another tenant's than their entity",
    advice=_SEPARATION,
    prefix=ENTITY,
    query="""
SELECT e.public_id, concat('state of tenant ', s.tenant_id, ', entity of ', e.tenant_id, ', key ', s.key)
FROM states s JOIN entities e ON e.id = s.entity_id
WHERE s.tenant_id <> e.tenant_id
""",
)

# Each table, and the table that its rows belong to.
_BELONGS = {
    "job_blocks": ("job_id", "jobs"),
    "job_errors": ("job_id", "jobs"),
    "job_warnings": ("job_id", "jobs"),
    "job_timeline": ("job_id", "jobs"),
    "job_ends": ("job_id", "jobs"),
    "job_drafts": ("job_id", "jobs"),
    "upload_parts": ("upload_id", "uploads"),
    "webhook_tries": ("delivery_id", "webhook_deliveries"),
}
_STRAY = """
    SELECT '{0}', o.id, r.tenant_id, o.tenant_id FROM {0} r JOIN {2} o ON o.id = r.{1} WHERE r.tenant_id <> o.tenant_id
"""

ROWS_SEPARATE = Check(
    name="row_separate",
    invariant="What belongs to a job, an upload or a delivery is of the same tenant as that",
    wrong="rows that say that they are another tenant's than what they belong to",
    advice=_SEPARATION,
    prefix=None,
    query=f"""
SELECT id, concat(name, ' of tenant ', row_of, ', its owner of ', owner_of)
FROM ({"    UNION ALL".join(_STRAY.format(table, *owner) for table, owner in _BELONGS.items())})
     AS stray (name, id, row_of, owner_of)
""",
)

TEMPLATES_SEPARATE = Check(
    name="template_separate",
    invariant="A tenant chooses a template that is built in or its own",
    wrong="tenants that have chosen another tenant's template",
    advice=_SEPARATION,
    prefix=None,
    query="""
SELECT t.public_id, concat('template of tenant ', m.tenant_id)
FROM tenants t JOIN templates m ON m.id = t.template_id
WHERE m.tenant_id <> t.id
""",
)

JOBS_SEPARATE = Check(
    name="job_separate",
    invariant="A job is checked by a template that is built in or its tenant's own, and waits for a job of its tenant",
    wrong="jobs that name another tenant's template or job",
    advice=_SEPARATION,
    prefix=JOB,
    query="""
SELECT j.id, concat('of tenant ', j.tenant_id, ', template of ', coalesce(m.tenant_id::text, 'nobody'),
                    ', waits for a job of ', coalesce(a.tenant_id::text, 'nobody'))
FROM jobs j LEFT JOIN templates m ON m.id = j.template_id LEFT JOIN jobs a ON a.id = j.after_job_id
WHERE m.tenant_id <> j.tenant_id OR a.tenant_id <> j.tenant_id
""",
)

CHECKS = (
    LINKS_EVENT,
    LINKS_ENTITY,
    EVENTS_LINKED,
    LINKS_TIME,
    STATES_ENTITY,
    STATES_ERASED,
    ENTITIES_ERASED,
    ENTITIES_PERSONAL,
    ENTITIES_TENANT,
    EVENTS_TENANT,
    LINKS_SEPARATE,
    STATES_SEPARATE,
    ROWS_SEPARATE,
    TEMPLATES_SEPARATE,
    JOBS_SEPARATE,
)
