"""Templates: `GET /templates`, and `PUT /templates/{id}` for one of the tenant's own."""

import re
from typing import Any

from flask import Blueprint, Response

from app.http import rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.http.responses import timestamp
from app.http.services import services
from app.operator import forms
from app.operator.envelope import success
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import transaction
from ingest.db.tenants import templates
from ingest.errors import InvalidInput
from ingest.items.templates import Template

bp = Blueprint("templates", __name__)
bp.before_request(rate_limit.scope("settings"))

_SLUG = re.compile(r"tpl_[a-z0-9_-]{1,100}", re.ASCII)


@bp.get("/templates")
@describe("The templates that the tenant can choose", operation="listTemplates", answers={200: "Templates"})
def get() -> Response:
    """List the newest version of each template."""
    with transaction(services().pool) as conn:
        visible = templates.visible(conn, caller().tenant_id)
    return success([_shape(template) for template in visible])


@bp.put("/templates/<text:slug>")
@describe(
    "Store a template of the tenant's own",
    operation="storeTemplate",
    body="TemplateForm",
    answers={200: "Template"},
    faults=(409,),
)
def put(slug: str) -> Response:
    """Store a new version, which checks new writes if the tenant has chosen this template."""
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("A template's id is tpl_ and 1 to 100 lower-case letters, digits, - or _")
    form = forms.read(forms.TemplateForm)
    with confirmed_transaction(services().pool) as conn:
        if templates.is_built_in(conn, slug):
            raise InvalidInput(f"{slug} is built in and cannot be changed; choose another id")
        stored = templates.store(conn, caller().tenant_id, slug, **form)
    return success(_shape(stored))


def _shape(template: Template) -> dict[str, Any]:
    return {
        "id": template.slug,
        "name": template.name,
        "version": template.version,
        "schema": template.schema(),
        "created_at": timestamp(template.created_at),
    }
