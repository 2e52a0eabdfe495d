"""Templates to answers: what all pages know, their headers, and every error as a page."""

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from flask import Flask, Response, redirect, render_template, request

from app.console import access, spelling
from app.console.assets import ASSETS
from app.http.errors import Fault
from app.http.services import services
from ingest.rights import ADMIN, READ, WRITE

BASE = "/console"

# Nothing is inline, and nothing comes from elsewhere. Pico has its icons in its styles, as data.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_UNAUTHORIZED = 401
_ASSETS = {name: f"{BASE}/static/{asset.name}" for name, asset in ASSETS.items()}


class Screen(NamedTuple):
    """A screen that the head of every page leads to.

    Attributes:
        address: below BASE.
        scope: that its visitor must have.
    """

    address: str
    name: str
    scope: str = READ


SCREENS = (
    Screen("/jobs", "Jobs"),
    Screen("/load", "Load a file", WRITE),
    Screen("/entities", "Look up"),
    Screen("/system", "System", access.OPERATOR),
    Screen("/keys", "Keys", ADMIN),
    Screen("/templates", "Templates", ADMIN),
    Screen("/tenants", "Tenants", access.OPERATOR),
)


def prepare(app: Flask) -> None:
    """Have templates know what they all use, and give every answer of the console its headers."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(spelling.FILTERS)
    app.after_request(_protect)


def page(template: str, /, *, status: int = 200, **shown: Any) -> Response:
    """Answer with a page.

    Args:
        template: its name, without folder and ending.
        status: of HTTP.
        shown: what it shows.
    """
    return Response(render(template, **shown), status, content_type="text/html; charset=utf-8")


def render(template: str, /, **shown: Any) -> str:
    """Return the HTML of a page, or of a part of one; the arguments are those of `page`."""
    visitor = access.visitor_or_none()
    tenant = access.tenant_or_none()
    of_tenant = {"tenant": str(tenant.tenant_public_id)} if tenant and visitor and visitor.is_operator else {}
    return render_template(
        f"console/{template}.html",
        base=BASE,
        assets=_ASSETS,
        screens=[screen for screen in SCREENS if visitor and screen.scope in visitor.scopes],
        visitor=visitor,
        tenant=tenant,
        of_tenant=of_tenant,
        read_only=services().settings.console != "on",
        said=_said(),
        **shown,
    )


# A page says so once something is done, by the word that stands in its address.
_SAID = {
    "cancelled": "Cancelled: what was done before stands.",
    "paused": "Paused: no further block is begun.",
    "resumed": "It goes on.",
    "sent": "These items are sent again, by the job that you see here.",
    "written": "What was checked is written, by the job that you see here.",
    "labelled": "The label is stored.",
    "revoked": "This key opens nothing any more.",
    "chosen": "New writes are checked by this template.",
    "stored": "The template is stored.",
    "forgotten": "The mapping is deleted.",
    "created": "The tenant is created.",
    "suspended": "Every key of the tenant is refused from now on. Jobs that were accepted go on.",
    "taken-up": "The tenant's keys open it again.",
    "weighed": "The weight is stored; workers heed it within ten seconds.",
}


def _said() -> str | None:
    return _SAID.get(request.args.get("said", ""))


def query(**parameters: object) -> str:
    """Return the query of an address, without `?`; a parameter that is None or empty is left out."""
    return urlencode({name: value for name, value in parameters.items() if value not in {None, ""}})


def confirmed(question: str, word: str, back: str) -> Response | None:
    """Return a page that asks before a form is carried out; None once its visitor has said yes.

    The script asks by itself, and sends the answer with the form.

    Args:
        question: says what would be done, and to how many.
        word: on the button that does it.
        back: the page to return to otherwise, below BASE.
    """
    if request.form.get("confirmed"):
        return None
    return page("confirm", question=question, word=word, back=f"{BASE}{back}", fields=request.form.items(multi=True))


def to(address: str) -> Response:
    """Send the browser to another page of the console, after a form or a login.

    Args:
        address: of a page below BASE, with its query.
    """
    return redirect(f"{BASE}{address}", 303)  # type: ignore[return-value] # Flask's own class, of werkzeug's


def is_live() -> bool:
    """True if the script asks for a part of the page that is shown already, or to be told when that has changed."""
    return request.headers.get("HX-Request") == "true" or request.headers.get("Accept") == "text/event-stream"


def failure(fault: Fault) -> Response:
    """Return the page of an error; without a session, send the browser to the login."""
    if fault.status == _UNAUTHORIZED and not request.path.endswith("/login"):
        came_from = request.full_path if request.method == "GET" and not is_live() else BASE
        address = f"/login?next={quote(came_from.rstrip('?'), safe='')}"
        if is_live():
            return Response("", _UNAUTHORIZED, {"HX-Redirect": f"{BASE}{address}"})
        return to(address)
    response = page("error", status=fault.status, fault=fault)
    response.headers.extend({name: value for name, value in fault.headers.items() if name != "WWW-Authenticate"})
    return response


def _protect(response: Response) -> Response:
    if f"{request.path}/".startswith(f"{BASE}/"):
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"  # forms name the origin that they come from
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response
