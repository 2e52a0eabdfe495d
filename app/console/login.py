"""In and out: by an API key in a form, or by a one-time address of `sluice console`."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from app.console.access import OPEN, begin_session, end_session, needs, note
from app.console.pages import BASE, page, to
from app.http import auth
from app.http.services import services
from ingest.db.connection.pool import transaction
from ingest.db.tenants import sessions
from ingest.errors import RateLimited, Unauthorized
from ingest.logs import Logger, get_logger
from ingest.rights import ANY, READ

bp = Blueprint("login", __name__)

_USED = "This address was opened before, or is more than a minute old: run `sluice console` again"

log: Logger = get_logger("app.console.login")


@bp.get("")
@needs(ANY)
def home() -> Response:
    """Go on to the list of jobs."""
    return to("/jobs")


@bp.get("/login")
@needs(OPEN)
def ask() -> Response:
    """Ask for a key; with a one-time address, for a click, since a program that looks at links must not use it up."""
    return page("login", offered=request.args.get("once", ""), after=_after())


@bp.post("/login")
@needs(OPEN)
def log_in() -> Response:
    """Begin a session."""
    offered = request.form.get("once", "")
    try:
        secret = _of_address(offered) if offered else _of_key(request.form.get("key", "").strip())
    except (Unauthorized, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        return page("login", status=status, offered="", after=_after(), problem=error.message)
    return begin_session(to(_after()), secret)


@bp.post("/logout")
@needs(ANY)
def log_out() -> Response:
    """End the session."""
    note("logout")
    return end_session(to("/login"))


def _of_address(offered: str) -> str:
    with transaction(services().console_pool(None)) as conn:
        secret = sessions.open_offered(conn, offered)
    if secret is None:
        raise Unauthorized(_USED)
    log.info("console_login", by="address")
    return secret


def _of_key(key: str) -> str:
    caller = auth.holder(key)
    if READ not in caller.scopes:
        raise Unauthorized("This key may not read, so the console can show it nothing")
    with transaction(services().console_pool(None)) as conn:
        secret = sessions.begin(conn, caller)
    log.info("console_login", by="key", key_id=str(caller.key_id))
    return secret


def _after() -> str:
    """Return the page that was asked for before the login, below BASE; never one of another site."""
    parts = urlsplit(request.values.get("next", ""))
    if parts.scheme or parts.netloc or not parts.path.startswith(f"{BASE}/"):
        return "/jobs"
    path = parts.path.removeprefix(BASE)
    return f"{path}?{parts.query}" if parts.query else path
