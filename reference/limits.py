"""limits.md: each limit of `GET /capabilities`, and the setting that moves it."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from app.http.rate_counter import rates
from app.operator import capabilities
from ingest.settings import Settings
from reference import markdown
from reference.installation import default_settings

_INTRODUCTION = """\
`GET /capabilities` tells these of an installation, by the same names. The values here are the defaults; a limit
without a setting is the same everywhere."""

_RATES = """\
Requests of one tenant, counted in a window; more are 429 `RATE_LIMITED` with `Retry-After`. Each answer tells in
`RateLimit` headers what is left."""

_MEANINGS: Mapping[str, str] = {
    "bodyBytes": "The bytes of a request's body that is an array or a form, decoded.",
    "bodySeconds": "The seconds that a request may take to send its body.",
    "itemBytes": "The bytes of an item. In a batch a larger one is an item error, singly it is a 413.",
    "arrayItems": "The items of a batch that is an array.",
    "jobItems": "The items of a batch that is sent as lines or CSV, or in parts.",
    "jobBytes": "The bytes of such a batch, decoded.",
    "atomicItems": "The items of a batch with `?atomic=true`.",
    "atomicBytes": "The bytes of such a batch, decoded.",
    "parts": "The parts of an upload.",
    "partBytes": "The bytes of a part, as it is sent.",
    "eventIdCharacters": "The characters of an `eventId`.",
    "jobsInPage": "The jobs of a page of `GET /batch/jobs`.",
    "errorsInJob": "The item errors that a job shows itself; `…/errors` has all.",
    "warningsInJob": "The warnings that a job shows itself; `…/warnings` has those that are kept.",
    "retryIndexes": "The indexes that a retry may name.",
    "retryItems": "The items that one retry sends again.",
    "retryBytes": "The bytes of the texts and blocks that one retry sends again.",
    "jobsInFamily": "A job and those that send its items again.",
    "warningsKept": "The warnings of a job that can be read.",
    "jobRetentionDays": "The days for which an ended job can be read.",
    "auditRetentionDays": "The days for which the audit log can be read.",
    "goneDays": "The days for which a call about a deleted job is told that it is gone (410).",
    "webhooks": "The webhooks of a tenant.",
    "checksAtOnce": "The checks of stored rows by a template that a tenant has under way.",
    "checkErrorsKept": "The errors of such a check that can be read, each of entities, states and events.",
    "templateValues": "The values of all types of a template together.",
    "templateLevels": "The levels of nesting in a type.",
}


def page() -> str:
    """Return the page."""
    settings = default_settings()
    limits = capabilities.limits(settings)
    rows = [
        [f"`{name}`", _value(value), _setting(settings, capabilities.limits, name), _MEANINGS[name]]
        for name, value in limits.items()
    ]
    windows = [[f"`{name}`", value, _setting(settings, rates, name)] for name, value in rates(settings).items()]
    return markdown.page(
        "Limits",
        _INTRODUCTION,
        markdown.table(["limit", "default", "setting", "what it bounds"], rows),
        f"## Rates\n\n{_RATES}",
        markdown.table(["scope", "default", "setting"], windows),
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,}"


def _setting(settings: Settings, told_by: Callable[[Settings], Mapping[str, Any]], name: str) -> str:
    """Return the setting that moves a limit: the one whose change is told under its name."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        changed = replace(settings, **{field.name: value + ("0" if isinstance(value, str) else 1)})
        if told_by(changed)[name] != told_by(settings)[name]:
            return f"`SLUICE_{field.name.upper()}`"
    return ""
