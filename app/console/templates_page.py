"""S7, the templates of a tenant: what each says, which one checks new writes, and new versions of its own."""

from functools import partial

import msgspec
from flask import Blueprint, Response, request

from app.console import access
from app.console.access import needs, note
from app.console.pages import confirmed, page, query, to
from app.console.whose import pick_unless_known
from app.http.auth import caller
from app.http.services import services
from app.operator import forms
from app.operator.settings import change
from app.operator.templates import require_slug, store_template
from ingest.db.connection.confirmed import confirmed_transaction
from ingest.db.connection.pool import Connection
from ingest.db.tenants import templates, tenants
from ingest.errors import NotFound
from ingest.items.templates import Template, exact_json
from ingest.rights import ADMIN

bp = Blueprint("templates", __name__)


@bp.get("/templates")
@needs(ADMIN)
@pick_unless_known
def show() -> Response:
    """Answer with the list of templates."""
    found = access.part(_visible)
    return page("templates", found=found, chosen=access.part(_chosen_slug))


@bp.get("/templates/<text:slug>")
@needs(ADMIN)
@pick_unless_known
def one(slug: str) -> Response:
    """Answer with a template, and a form for its next version where it is the tenant's own."""
    found = access.part(partial(_of_slug, slug=slug))
    return page("template", slug=slug, template=found, text=None if found is None else _text(found))


@bp.post("/templates")
@needs(ADMIN)
@pick_unless_known
def store() -> Response:
    """Store a new version of a template of the tenant's own."""
    slug = request.form.get("slug", "").strip()
    require_slug(slug)
    schema = forms.object_of(msgspec.Raw(request.form.get("schema", "").encode()))
    named = {name: request.form.get(name, "").strip() for name in ("name", "version")}
    store_template(slug, forms.checked(forms.TemplateForm, {**named, "schema": schema}))
    note("store_template", template=slug)
    return to(f"/templates/{slug}?{query(tenant=request.form.get('tenant'), said='stored')}")


@bp.post("/templates/<text:slug>/choose")
@needs(ADMIN)
@pick_unless_known
def choose(slug: str) -> Response:
    """Have a template check new writes, once its visitor has said yes."""
    whose = query(tenant=request.form.get("tenant"))
    if asked := confirmed(f"Check all new writes by {slug}?", "Choose it", f"/templates?{whose}"):
        return asked
    with confirmed_transaction(services().pool) as conn:
        change(conn, {"template_id": slug})
    note("choose_template", template=slug)
    return to(f"/templates?{whose}&said=chosen")


def _visible(conn: Connection) -> list[Template]:
    return templates.visible(conn, caller().tenant_id)


def _of_slug(conn: Connection, slug: str) -> Template:
    found = [template for template in _visible(conn) if template.slug == slug]
    if not found:
        raise NotFound(f"There is no template {slug!r}")
    return found[0]


def _chosen_slug(conn: Connection) -> str:
    chosen = tenants.template_of(conn, caller().tenant_id)
    return "" if chosen is None else services().template_cache.get(conn, chosen).slug


def _text(template: Template) -> str:
    return msgspec.json.format(exact_json(template.schema()), indent=2).decode()
