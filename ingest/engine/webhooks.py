"""Webhooks: make them with their secrets, and compose the messages that they are sent."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from ingest import ids
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs import item_warnings, lookup
from ingest.db.webhooks import registry
from ingest.db.webhooks.registry import Webhook
from ingest.db.webhooks.sending import Claim
from ingest.engine.job_shape import INLINE_WARNINGS, job_without_errors
from ingest.errors import SecretUnreadable
from ingest.ids import uuid7
from ingest.jobs import Callback, JobState
from ingest.webhooks import message, urls

_PURPOSE = "webhook"

# A job that has ended stays as it is; one that was paused may have moved on before the message is sent. Its message
# tells of a paused job all the same, with the counts of now.
_PAUSED = "job.paused"

# The address of a job in messages, which know no request: that of the operator API.
_JOBS = "/operator-data-api/batch/jobs"


def create(
    conn: Connection,
    keys: MasterKeys,
    tenant_id: int,
    *,
    url: str,
    events: Sequence[str],
    description: str | None,
    allow_private: bool,
) -> tuple[Webhook, str]:
    """Make a webhook of a tenant's.

    Args:
        conn: an open transaction.
        keys: encrypt its secret.
        tenant_id: whose it is.
        url: where it is.
        events: the types of messages that it wants.
        description: for people.
        allow_private: as of `urls.parse`.

    Returns:
        The webhook, and its secret, which is shown this once.

    Raises:
        WrongUrl: it may not have this URL.
        MasterKeyMissing: there is no key to encrypt its secret with.
        LimitReached: the tenant has as many as it may have.
    """
    urls.parse(url, allow_private=allow_private)
    secret, stored = _new_secret(keys, tenant_id)
    found = registry.create(conn, uuid7(), tenant_id, url=url, events=events, description=description, secret=stored)
    return found, secret


def rotate(conn: Connection, keys: MasterKeys, tenant_id: int, webhook_id: UUID) -> tuple[Webhook, str]:
    """Give a webhook another secret; the one before signs too for a while.

    Args:
        conn: an open transaction.
        keys: encrypt the secret.
        tenant_id: whose the webhook must be.
        webhook_id: the webhook's.

    Returns:
        The webhook, and its new secret, which is shown this once.

    Raises:
        NotFound: there is none, or it is another tenant's.
        MasterKeyMissing: there is no key to encrypt the secret with.
    """
    secret, stored = _new_secret(keys, tenant_id)
    return registry.rotate(conn, tenant_id, webhook_id, stored), secret


def callback(keys: MasterKeys, tenant_id: int, url: str, *, allow_private: bool) -> tuple[Callback, str]:
    """Make a callback of a new job.

    Args:
        keys: encrypt its secret.
        tenant_id: whose job it is.
        url: where it is.
        allow_private: as of `urls.parse`.

    Returns:
        The callback, as the job keeps it, and its secret, which is shown this once.

    Raises:
        WrongUrl: it may not have this URL.
        MasterKeyMissing: there is no key to encrypt its secret with.
    """
    urls.parse(url, allow_private=allow_private)
    secret, stored = _new_secret(keys, tenant_id)
    return Callback(url, stored), secret


def _new_secret(keys: MasterKeys, tenant_id: int) -> tuple[str, str]:
    """Return a new secret as it is shown, and as it is stored."""
    secret = message.new_secret()
    return secret, keys.encrypt(secret.encode(), tenant_id=tenant_id, purpose=_PURPOSE)


def signing_secrets(keys: MasterKeys, claim: Claim) -> list[str]:
    """Return the secrets that sign a message, the newest first.

    A former secret that cannot be decrypted is left out: rotating is the way out where a master key was lost.

    Raises:
        SecretUnreadable: the newest one cannot be decrypted.
    """
    found = [_plain(keys, claim.tenant_id, claim.secret)]
    if claim.former_secret:
        with suppress(SecretUnreadable):
            found.append(_plain(keys, claim.tenant_id, claim.former_secret))
    return found


def is_readable(keys: MasterKeys, tenant_id: int, stored: str) -> bool:
    """True if the master keys can decrypt a secret of a tenant's webhook."""
    try:
        _plain(keys, tenant_id, stored)
    except SecretUnreadable:
        return False
    return True


def resealed(keys: MasterKeys, tenant_id: int, stored: str) -> str:
    """Return a secret of a tenant's webhook under the first master key.

    Raises:
        SecretUnreadable: it cannot be decrypted.
    """
    return keys.encrypt(_plain(keys, tenant_id, stored).encode(), tenant_id=tenant_id, purpose=_PURPOSE)


def _plain(keys: MasterKeys, tenant_id: int, stored: str) -> str:
    return keys.decrypt(stored, tenant_id=tenant_id, purpose=_PURPOSE).decode()


def compose(conn: Connection, claims: Sequence[Claim]) -> dict[UUID, bytes]:
    """Return the bodies of messages that have none yet, by the ids of the messages.

    Args:
        conn: the transaction that claims them, which keeps their jobs from being deleted.
        claims: the messages.
    """
    return {
        claim.id: message.body(claim.event, claim.occurred_at, _data(conn, claim))
        for claim in claims
        if claim.body is None
    }


def _data(conn: Connection, claim: Claim) -> Mapping[str, Any]:
    job = None if claim.job_id is None else lookup.show(conn, claim.job_id)
    if job is None:
        return {"webhookId": ids.spell(ids.WEBHOOK, claim.webhook_id)}
    if claim.event == _PAUSED and job.status != JobState.PAUSED:
        job = replace(job, status=JobState.PAUSED, ended_at=None, error_code=None, error_message=None)
    address = f"{_JOBS}/{ids.spell(ids.JOB, job.id)}"
    most = min(job.warnings, INLINE_WARNINGS)
    warnings = [warning for _, warning in item_warnings.of_job(conn, job.id, limit=most)] if most else []
    return job_without_errors(job, warnings, lambda call: address if call == "self" else f"{address}/{call}")
