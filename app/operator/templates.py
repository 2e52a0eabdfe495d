"""Templates: `GET /templates`, `PUT /templates/{id}` for one of the tenant's own, its check, and files made of it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Blueprint, Response

from app import batches
from app.batches import BatchOptions
from app.http import audit, idempotency, prefer, query, rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import as_json, as_text, timestamp
from app.http.services import services
from app.operator import batch, forms, template_files
from app.operator.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.data import stored
from ingest.db.jobs import trials
from ingest.db.jobs.acceptance import NewJob
from ingest.db.tenants import templates
from ingest.db.tenants.audit import Action
from ingest.db.tenants.idempotency import Answer
from ingest.engine.kinds import KINDS
from ingest.engine.trial import BEGINNING
from ingest.errors import InvalidInput, LimitReached, MasterKeyMissing, NotFound
from ingest.items import personal
from ingest.items.examples import example_items
from ingest.items.json_schema import json_schema
from ingest.items.templates import Template, exact_json
from ingest.jobs import TRIAL
from ingest.rights import ADMIN

bp = Blueprint("templates", __name__)
bp.before_request(rate_limit.scope("settings"))

_SLUG = re.compile(r"tpl_[a-z0-9_-]{1,100}", re.ASCII)
_PATH = {"slug": {"type": "string", "pattern": f"^{_SLUG.pattern}$"}}


@bp.get("/templates")
@describe(
    "The templates that the tenant can choose", operation="listTemplates", scope=ADMIN, answers={200: "Templates"}
)
def get() -> Response:
    """List the newest version of each template."""
    with transaction(services().pool) as conn:
        visible = templates.visible(conn, caller().tenant_id)
    return success([_shape(template) for template in visible])


@bp.put("/templates/<text:slug>")
@describe(
    "Store a template of the tenant's own",
    operation="storeTemplate",
    scope=ADMIN,
    body="TemplateForm",
    path=_PATH,
    answers={200: "Template"},
    faults=(LimitReached, MasterKeyMissing),
)
def put(slug: str) -> Response:
    """Store a new version, which checks new writes if the tenant has chosen this template."""
    require_slug(slug)
    return success(_shape(store_template(slug, forms.read(forms.TemplateForm))))


def require_slug(slug: str) -> None:
    """Raise where an id may be none of a template of a tenant's own.

    Raises:
        InvalidInput: the message says what it must be.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("A template's id is tpl_ and 1 to 100 lower-case letters, digits, - or _")


def store_template(slug: str, form: Mapping[str, Any]) -> Template:
    """Store a new version of a template of the caller's tenant's own.

    Args:
        slug: its id, as `require_slug` lets it pass.
        form: of TemplateForm.

    Raises:
        InvalidInput: it is the id of a built-in one.
        LimitReached: the tenant has as many templates as it may have.
        MasterKeyMissing: it has personal data, and there is no key to encrypt them with.
    """
    with confirmed_transaction(services().pool) as conn:
        if templates.is_built_in(conn, slug):
            raise InvalidInput(f"{slug} is built in and cannot be changed; choose another id")
        stored = templates.store(conn, caller().tenant_id, slug, **form)
        personal.require_key(stored, services().master_keys)
        audit.record(conn, Action.TEMPLATE_STORED, slug, {"name": form["name"], "version": form["version"]})
    return stored


def _checked_again(answer: Answer, _sent: bytes, **_of_path: str) -> Response:
    return batch.answer_present(answer.job_id)  # type: ignore[arg-type] # the key of a check names its job


@bp.post("/templates/<text:slug>/check")
@describe(
    "Try a schema on all rows that are stored, and change nothing",
    operation="checkTemplate",
    scope=ADMIN,
    body="CheckForm",
    answers={202: "AcceptedBatch", 200: "EndedBatch"},
    faults=(NotFound, LimitReached),
    headers={"Prefer": batch.WAIT},
    repeat=_checked_again,
)
def check(slug: str) -> Response:
    """Begin a job whose errors say which rows would not pass; without a schema, the template's newest version."""
    schema = forms.read(forms.CheckForm).get("schema")
    newest = _newest(slug)
    preference = prefer.stated()

    def store(job: NewJob) -> bool:
        with confirmed_transaction(services().pool) as conn:
            idempotency.lock(conn)
            trial = templates.store_trial(conn, job.tenant_id, newest.id, schema)
            rows = stored.estimated_count(conn, job.tenant_id)
            trials.accept(conn, replace(job, template_id=trial, key=None), place=BEGINNING, rows=rows)
            idempotency.remember(conn, job_id=job.id)
        return True

    wait = preference.seconds(caller().batch_wait_seconds)
    return batch.answer(batches.accept(caller(), TRIAL, store, BatchOptions(ordered=False), wait=wait), preference)


_KIND = query.Choice(name="kind", words=("entities", "events", "states"), text="of the items")


@bp.get("/templates/<text:slug>/json-schema")
@describe(
    "The JSON Schema of an item under the newest version of a template",
    operation="getTemplateJsonSchema",
    scope=ADMIN,
    query=(_KIND,),
    answers={200: "ItemSchema"},
    faults=(NotFound,),
    bare=True,
)
def get_json_schema(slug: str) -> Response:
    """Answer with the schema itself, which editors and generators read from its address."""
    schema = KINDS[_KIND.read()].schema(_newest(slug))
    return as_json(msgspec.Raw(exact_json(json_schema(schema))), 200)


@bp.get("/templates/<text:slug>/example.csv")
@describe(
    "A batch to start from, as CSV",
    operation="getTemplateExampleCsv",
    scope=ADMIN,
    query=(_KIND,),
    answers={200: "ExampleCsv"},
    faults=(NotFound,),
    media="text/csv",
    bare=True,
)
def get_example_csv(slug: str) -> Response:
    """Answer with an example row of each type or key."""
    kind = _KIND.read()
    items = example_items(_newest(slug), kind, datetime.now(UTC))
    return as_text(template_files.csv_of(items, kind), "text/csv; charset=utf-8; header=present")


@bp.get("/templates/<text:slug>/example.ndjson")
@describe(
    "A batch to start from, as lines of JSON",
    operation="getTemplateExampleLines",
    scope=ADMIN,
    query=(_KIND,),
    answers={200: "ExampleLines"},
    faults=(NotFound,),
    media="application/x-ndjson",
    bare=True,
)
def get_example_lines(slug: str) -> Response:
    """Answer with an example item of each type or key."""
    kind = _KIND.read()
    lines = template_files.lines_of(example_items(_newest(slug), kind, datetime.now(UTC)))
    return as_text(lines, "application/x-ndjson")


def _newest(slug: str) -> Template:
    with transaction(services().pool) as conn:
        found = [template for template in templates.visible(conn, caller().tenant_id) if template.slug == slug]
    if not found:
        raise NotFound(f"There is no template {slug!r}")
    return found[0]


def _shape(template: Template) -> dict[str, Any]:
    return {
        "id": template.slug,
        "name": template.name,
        "version": template.version,
        "schema": template.schema(),
        "created_at": timestamp(template.created_at),
    }
