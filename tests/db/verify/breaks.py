"""Statements that break one invariant and no other, by the name of the check that finds it."""

from collections.abc import Mapping

# 75 MB of digits in a megabyte, of which compression leaves some 10 kB.
_ENDLESS = "jsonb_build_object('a', (SELECT jsonb_agg('1e999'::jsonb) FROM generate_series(1, 75000)))"

_WEBHOOK = """
INSERT INTO webhooks (id, tenant_id, url, events, secret)
VALUES (gen_random_uuid(), %(tenant)s, 'https://x.example', '{job.completed}', 'x')
"""
_MESSAGE = """
INSERT INTO webhook_deliveries (id, webhook_id, tenant_id, job_id, lane, event, occurred_at)
SELECT gen_random_uuid(), id, {tenant}, %(job)s, id, 'job.completed', now() FROM webhooks
"""

# Foreign keys keep a row of one tenant from belonging to another's, but in a session that restores a copy.
RESTORING = "SET session_replication_role = replica"

# `job` is the completed job of entities, `half` the half done one.
BREAKS: Mapping[str, tuple[str, ...]] = {
    "job_effects_sum": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_effects_sum_to_total",
        "UPDATE jobs SET created = created + 1 WHERE id = %(job)s",
    ),
    "job_blocks_sum": ("UPDATE job_blocks SET items = 9 WHERE job_id = %(half)s AND no = 2",),
    "job_blocks_follow": ("UPDATE job_blocks SET first_index = 1 WHERE job_id = %(half)s AND no = 2",),
    "job_blocks_open": ("UPDATE jobs SET blocks_open = 3 WHERE id = %(half)s",),
    "job_closed_processed": ("UPDATE jobs SET unprocessed = unprocessed - 1, updated = 1 WHERE id = %(half)s",),
    "job_errors_failed": ("DELETE FROM job_errors WHERE job_id = %(job)s",),
    "job_had_errors": ("UPDATE jobs SET had_errors = true WHERE id = %(half)s",),
    "job_errors_within": ("UPDATE job_errors SET index = -1 WHERE job_id = %(job)s",),
    "job_errors_retried": ("UPDATE job_errors SET retried_in = %(half)s WHERE job_id = %(job)s",),
    "job_retried_in_family": ("UPDATE job_blocks SET retried_in = %(job)s WHERE job_id = %(half)s AND no = 2",),
    "job_warnings_kept": ("UPDATE jobs SET warnings = 1 WHERE id = %(job)s",),
    "job_past_deadline": ("UPDATE jobs SET deadline_at = now() - interval '61 seconds' WHERE id = %(half)s",),
    "job_completed": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_completed_is_complete",
        "UPDATE jobs SET status = 'completed', ended_at = clock_timestamp() WHERE id = %(half)s",
    ),
    "job_unfinished": ("UPDATE jobs SET status = 'processing', ended_at = NULL WHERE id = %(job)s",),
    "job_ended_at": (
        "ALTER TABLE jobs DROP CONSTRAINT jobs_ended_at_check",
        "UPDATE jobs SET ended_at = NULL WHERE id = %(job)s",
    ),
    "job_payload_lost": ("UPDATE job_blocks SET payload = '' WHERE job_id = %(half)s AND no = 2",),
    "job_payload_kept": ("UPDATE job_blocks SET payload = 'x' WHERE job_id = %(job)s AND no = 1",),
    "job_progress": ("UPDATE jobs SET started_at = ended_at + interval '1 minute' WHERE id = %(job)s",),
    "job_on_hold": ("UPDATE jobs SET on_hold_since = now() WHERE id = %(half)s",),
    "job_timeline": ("INSERT INTO job_timeline (tenant_id, job_id, what) VALUES (%(tenant)s, %(job)s, 'cancelled')",),
    "job_held_wrongly": (
        """UPDATE jobs SET on_hold_since = now() - interval '2 minutes', created_at = now() - interval '3 minutes'
           WHERE id = %(foreign_job)s""",
    ),
    "job_owner": ("UPDATE jobs SET template_id = 77 WHERE id = %(job)s",),
    "idempotency_key_job": (
        """INSERT INTO idempotency_keys (tenant_id, endpoint, key_hash, fingerprint, job_id)
           VALUES (%(tenant)s, 'writeEntities', sha256(''), sha256(''), %(foreign_job)s)""",
    ),
    "job_separate": ("UPDATE jobs SET after_job_id = %(foreign_job)s WHERE id = %(job)s",),
    "template_separate": ("UPDATE tenants SET template_id = %(foreign_template)s WHERE id = %(tenant)s",),
    "link_event": ("DELETE FROM events WHERE id = (SELECT min(id) FROM events)",),
    "link_entity": ("UPDATE event_entities SET entity_id = 77 WHERE event_id = (SELECT min(id) FROM events)",),
    "event_linked": ("DELETE FROM event_entities WHERE event_id = (SELECT min(id) FROM events)",),
    "link_time": (
        """UPDATE event_entities SET occurred_at = occurred_at - interval '1 microsecond'
           WHERE event_id = (SELECT min(id) FROM events)""",
    ),
    "link_separate": ("UPDATE events SET tenant_id = %(other)s WHERE id = (SELECT min(id) FROM events)",),
    "state_separate": (
        "UPDATE states SET tenant_id = %(other)s WHERE entity_id = (SELECT min(entity_id) FROM states)",
    ),
    "row_separate": (RESTORING, "UPDATE job_errors SET tenant_id = %(other)s WHERE job_id = %(job)s"),
    "wall": ("DROP POLICY own_rows ON jobs",),
    "state_entity": ("UPDATE states SET entity_id = 77 WHERE entity_id = (SELECT min(entity_id) FROM states)",),
    "state_erased": (
        """UPDATE entities SET deleted_at = now(), properties = '{}', pii = NULL, pii_digests = NULL
           WHERE id = (SELECT min(entity_id) FROM states)""",
    ),
    "entity_erased": (
        "UPDATE entities SET deleted_at = now(), properties = '{\"a\": 1}' WHERE external_id = 'player_000001'",
        "DELETE FROM states WHERE entity_id = (SELECT id FROM entities WHERE external_id = 'player_000001')",
    ),
    "entity_personal": ("UPDATE entities SET pii_digests = NULL WHERE external_id = 'player_000001'",),
    "entity_tenant": (
        """INSERT INTO entities (public_id, tenant_id, scope, external_id, type, properties)
           VALUES (gen_random_uuid(), 77, '', 'p', 'player', '{}')""",
    ),
    "event_tenant": (
        "UPDATE events SET tenant_id = 77 WHERE id = (SELECT min(id) FROM events)",
        # Its entity too, or the link would join two tenants' rows.
        "UPDATE entities SET tenant_id = 77 WHERE id = (SELECT min(entity_id) FROM event_entities)",
        "UPDATE event_entities SET tenant_id = 77 WHERE event_id = (SELECT min(id) FROM events)",
        "UPDATE states SET tenant_id = 77 WHERE entity_id = (SELECT min(entity_id) FROM event_entities)",
    ),
    "entity_readable": (f"UPDATE entities SET properties = {_ENDLESS} WHERE id = (SELECT min(id) FROM entities)",),
    "event_readable": (f"UPDATE events SET properties = {_ENDLESS} WHERE id = (SELECT min(id) FROM events)",),
    "state_readable": (f"UPDATE states SET value = {_ENDLESS} WHERE entity_id = (SELECT min(entity_id) FROM states)",),
    "job_end_early": ("INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (%(tenant)s, %(half)s, now())",),
    "job_end_late": (
        "INSERT INTO job_ends (tenant_id, job_id, ended_at) VALUES (%(tenant)s, %(job)s, now() - interval '2 minutes')",
    ),
    "job_left_unfinished": (
        """INSERT INTO jobs (id, tenant_id, kind, merge, template_id, request_id, awaited, status, total, unprocessed,
                             blocks_open, created_at, progressed_at)
           SELECT gen_random_uuid(), tenant_id, kind, merge, template_id, request_id, awaited, 'receiving', 0, 0, 0,
                  now() - interval '7 minutes', now() - interval '6 minutes' FROM jobs WHERE id = %(job)s""",
    ),
    "upload_job": (
        RESTORING,
        "UPDATE jobs SET tenant_id = %(other)s WHERE id = %(uploaded)s",
        "UPDATE job_blocks SET tenant_id = %(other)s WHERE job_id = %(uploaded)s",
    ),
    "upload_part_blocks": ("DELETE FROM job_blocks WHERE job_id = %(open_upload)s AND no = -20000",),
    "upload_block_part": ("UPDATE job_blocks SET no = -90000 WHERE job_id = %(open_upload)s AND no = -30000",),
    "gone_id": ("INSERT INTO gone_ids (id, tenant_id) VALUES (%(job)s, %(tenant)s)",),
    "upload_parts_sum": ("UPDATE upload_parts SET items = 9 WHERE upload_id = %(completed)s AND part = 1",),
    "upload_left": ("UPDATE uploads SET heard_at = now() - interval '25 hours' WHERE job_id = %(open_upload)s",),
    "delivery_tenant": (RESTORING, _WEBHOOK, _MESSAGE.replace("{tenant}", "%(other)s")),
    "delivery_tries": (_WEBHOOK, _MESSAGE.replace("{tenant}", "%(tenant)s"), "UPDATE webhook_deliveries SET tries = 1"),
    "delivery_late": (
        _WEBHOOK,
        _MESSAGE.replace("{tenant}", "%(tenant)s"),
        "UPDATE webhook_deliveries SET next_at = now() - interval '2 minutes'",
    ),
    "callback_told": (
        """UPDATE jobs SET options = '{"callback": {"url": "https://x.example", "secret": "x"}}' WHERE id = %(job)s""",
    ),
    "sweep_runs": ("UPDATE jobs SET check_at = now() - interval '2 minutes' WHERE id = %(half)s",),
    "sweep_look_ahead": ("UPDATE jobs SET check_at = now() + interval '3 minutes' WHERE id = %(half)s",),
}
# Rows of other checks that such a break inevitably breaks too.
ALSO: Mapping[str, dict[str, int]] = {
    "event_tenant": {"entity_tenant": 1},
    "job_errors_retried": {"job_retried_in_family": 1},
    "upload_block_part": {"upload_part_blocks": 1},
}
