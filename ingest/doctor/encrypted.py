"""Encrypted data: the master keys of these settings must decrypt it."""

from ingest.crypto import MasterKeys
from ingest.db import doctor as facts
from ingest.doctor.line import Line, fail, ok, warn
from ingest.engine.webhooks import is_readable
from ingest.ids import JOB, WEBHOOK, spell

_SHOWN_SECRETS = 3


def webhook_secrets(stored: list[facts.StoredSecret], keys: MasterKeys) -> Line:
    """Check that the master keys can decrypt what signs messages to webhooks."""
    lost = [found for found in stored if not is_readable(keys, found.tenant_id, found.secret)]
    if lost:
        named = ", ".join(spell(WEBHOOK, found.webhook_id) for found in lost[:_SHOWN_SECRETS])
        more = ", …" if len(lost) > _SHOWN_SECRETS else ""
        advice = (
            "Their messages wait, and are given up after three days. Put the former key back into SLUICE_MASTER_KEYS, "
            "for `webhooks` too, or rotate these webhooks and tell their receivers the new secrets"
        )
        return fail(
            "webhook secrets", f"no master key decrypts {len(lost):,} of {len(stored):,}: {named}{more}", advice
        )
    return ok("webhook secrets", f"the master keys decrypt all {len(stored):,}")


def personal_data(found: facts.PersonalData, keys: MasterKeys) -> Line:
    """Check that personal data can be encrypted and decrypted, and that none stands in the clear.

    Args:
        found: a sample.
        keys: of these settings.
    """
    lost = [kid for kid in found.values if kid not in {"", *keys.keys}]
    if lost:
        advice = (
            "Reads of these entities answer SECRET_UNREADABLE: put the keys back into SLUICE_MASTER_KEYS, for all "
            "processes. `sluice crypto status` counts all of it"
        )
        return fail("personal data", f"encrypted under keys that are not configured: {', '.join(lost)}", advice)
    if found.tenants and not keys.keys:
        advice = (
            "Entities with personal data are refused, and jobs with such wait: run `sluice crypto generate`, and set "
            "SLUICE_MASTER_KEYS to what it prints, for all processes"
        )
        return fail("personal data", f"{found.tenants:,} tenants send some, and there is no master key", advice)
    if found.values.get(""):
        told = "some stand in the clear, from before their template called them so"
        return warn("personal data", told, "Run `sluice crypto rotate`, which encrypts them beside traffic")
    if not found.tenants:
        return ok("personal data", "no tenant's template calls any field so")
    return ok("personal data", f"{found.tenants:,} tenants send some, and the master keys decrypt a sample")


def items(stored: list[facts.SealedJob], keys: MasterKeys) -> Line:
    """Check that the master keys can decrypt the items of jobs that wait or run."""
    lost = [job for job in stored if job.kid not in keys.keys]
    if lost:
        named = ", ".join(spell(JOB, job.job_id) for job in lost[:_SHOWN_SECRETS])
        more = ", …" if len(lost) > _SHOWN_SECRETS else ""
        kids = ", ".join(sorted({job.kid for job in lost}))
        advice = (
            f"Put the former key back into SLUICE_MASTER_KEYS ({kids}), for `worker`, `sweep` and `web` alike. These "
            "jobs wait for it, with those of their tenants behind them, and go on by themselves"
        )
        found = f"no master key decrypts the items of {len(lost):,} jobs that wait: {named}{more}"
        return fail("items", found, advice)
    return ok("items", f"the master keys decrypt those of all {len(stored):,} jobs whose items are encrypted")
