"""`GET /capabilities`: what this installation takes, read from the objects that enforce it (docs/contracts/jobs.md).

A new limit, format or parameter is a line below, or stands in one of these objects already.
"""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from app import parts
from app.http import body, content_digest, prefer, rate_limit
from app.http.describe import describe, description_of
from app.http.query import Parameter
from app.http.rate_counter import rates
from app.http.services import services
from app.jobs.lists import MOST_LISTED
from app.jobs.shape import INLINE_ERRORS, INLINE_WARNINGS
from app.operator import batch, uploads
from app.operator.entities import MODE
from app.operator.envelope import success
from ingest.db.jobs.families import MOST_JOBS
from ingest.db.jobs.gone import REMEMBERED_DAYS
from ingest.db.jobs.parts import MOST_PARTS
from ingest.db.jobs.trials import MOST_OPEN as MOST_CHECKS
from ingest.db.webhooks import registry
from ingest.engine import selection
from ingest.engine.kinds import KINDS
from ingest.intake import codings
from ingest.items.fields import LONGEST_EVENT_ID
from ingest.items.types.definition import MOST_FIELDS, MOST_LEVELS
from ingest.jobs import MOST_ATOMIC_BYTES, MOST_TRIAL_ERRORS_KEPT, MOST_WARNINGS_KEPT
from ingest.rights import ANY
from ingest.settings import Settings
from ingest.webhooks import message

bp = Blueprint("capabilities", __name__)
bp.before_request(rate_limit.scope("read"))

# The batch call of each kind.
_CALLS = {"entities": batch.entities, "events": batch.events, "states": batch.states}


@bp.get("/capabilities")
@describe(
    "The limits, formats, codings, parameters and modes of this installation",
    operation="getCapabilities",
    scope=ANY,
    answers={200: "Capabilities"},
)
def get() -> Response:
    """Answer with all of it."""
    settings = services().settings
    return success(
        {
            "kinds": list(_CALLS),
            "limits": limits(settings),
            "rates": rates(settings),
            "formats": [{"form": form, "contentTypes": list(types)} for form, types in body.FORMS.items()],
            "contentCodings": ["identity", *codings.ACCEPTED.split(", ")],
            "contentDigests": list(content_digest.ALGORITHMS),
            "modes": list(MODE.words),
            "preferences": {"wait": prefer.LONGEST_WAIT_SECONDS, "handling": list(prefer.HANDLINGS)},
            "uploads": {
                "kinds": list(uploads.KIND_NAMES),
                "contentTypes": list(uploads.CONTENT_TYPES),
                "contentCodings": list(uploads.CODINGS),
            },
            "webhooks": {
                "events": list(message.EVENTS),
                "available": bool(services().master_keys.keys),
                "privateAddresses": settings.webhook_allow_private,
            },
            "parameters": parameters(),
        }
    )


def limits(settings: Settings) -> Mapping[str, Any]:
    """Return all limits that a client may meet, but for rates; by settings or for good."""
    return {
        "bodyBytes": settings.max_body_bytes,
        "bodySeconds": settings.body_seconds,
        "itemBytes": settings.max_item_bytes,
        "arrayItems": {name: KINDS[name].limit for name in _CALLS},
        "jobItems": settings.max_job_items,
        "jobBytes": settings.max_job_bytes,
        "atomicItems": settings.max_atomic_items,
        "atomicBytes": MOST_ATOMIC_BYTES,
        "parts": MOST_PARTS,
        "partBytes": parts.MOST_BYTES,
        "eventIdCharacters": LONGEST_EVENT_ID,
        "jobsInPage": MOST_LISTED,
        "errorsInJob": INLINE_ERRORS,
        "warningsInJob": INLINE_WARNINGS,
        "retryIndexes": selection.MOST_INDEXES,
        "retryItems": selection.MOST_ITEMS,
        "retryBytes": selection.MOST_BYTES,
        "jobsInFamily": MOST_JOBS,
        "warningsKept": MOST_WARNINGS_KEPT,
        "jobRetentionDays": settings.job_retention_days,
        "auditRetentionDays": settings.audit_retention_days,
        "goneDays": REMEMBERED_DAYS,
        "webhooks": registry.MOST,
        "checksAtOnce": MOST_CHECKS,
        "checkErrorsKept": MOST_TRIAL_ERRORS_KEPT,
        "templateValues": MOST_FIELDS,
        "templateLevels": MOST_LEVELS,
    }


def parameters() -> list[dict[str, Any]]:
    """Return the parameters of the batch calls, each with its JSON Schema and the kinds whose call takes it."""
    kinds: dict[str, list[str]] = {}
    known: dict[str, Parameter] = {}
    for kind, call in _CALLS.items():
        description = description_of(call)
        for parameter in description.query if description else ():
            known[parameter.name] = parameter
            kinds.setdefault(parameter.name, []).append(kind)
    return [
        {"name": name, "schema": parameter.schema, "description": parameter.text, "kinds": kinds[name]}
        for name, parameter in known.items()
    ]
