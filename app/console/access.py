"""The visitor of a page: its session, its rights, and whose rows it sees.

A session is an API key's, and then sees that key's tenant alone; or an operator's of the installation, and then sees
all tenants, or the one that a page is about. Rights are judged here, before any view runs: a view that changes
something says by `needs` which scope that takes, and one that says nothing takes the scope admin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app, g, request

from app.http import auth
from app.http.services import services
from app.jobs.own import absent
from ingest.db.connection.pool import Connection, Pool, autocommit, transaction
from ingest.db.jobs import lookup
from ingest.db.tenants import keys, sessions, tenants
from ingest.db.tenants.keys import Caller
from ingest.db.tenants.sessions import SESSION_SECONDS
from ingest.db.tenants.tenants import Tenant
from ingest.errors import Forbidden, NotFound, TryAgain, Unauthorized, Unavailable
from ingest.logs import Logger, get_logger
from ingest.rights import ADMIN, ANY, READ, SCOPES

COOKIE = "sluice_console"
_PATH = "/console"

# In place of a scope, of pages that need no session.
OPEN = "open"

# The cells of a page of failed items: 50 rows, each of up to 64 kB.
_MOST_FORM_BYTES = 8 * 1024 * 1024

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# Beside the scopes of keys: of what concerns the installation, and all of its tenants.
OPERATOR = "operator"

# The id of the key of an operator's calls, which come by no key.
_NO_KEY = UUID(int=0)

log: Logger = get_logger("app.console.access")

_View = TypeVar("_View", bound=Callable[..., Response])
_Found = TypeVar("_Found")
_SCOPES: dict[Callable[..., object], str] = {}


@dataclass(frozen=True, slots=True)
class Visitor:
    """The holder of a session.

    Attributes:
        secret: of the session.
        user_name: of an operator of the installation; None: the session is an API key's.
        scopes: what it may do.
    """

    secret: str
    user_name: str | None
    scopes: tuple[str, ...]

    @property
    def is_operator(self) -> bool:
        """True if it may see all tenants."""
        return self.user_name is not None

    def may(self, scope: str) -> bool:
        """True if it has a scope, and the console is not to be looked at only."""
        return scope in self.scopes and (scope == READ or services().settings.console == "on")


def needs(scope: str) -> Callable[[_View], _View]:
    """Say of a view which scope its visitor must have; ANY: a session; OPEN: not even that."""

    def mark(view: _View) -> _View:
        _SCOPES[view] = scope
        return view

    return mark


def scope_of(view: Callable[..., object], method: str) -> str:
    """Return the scope that a view takes: unless it says so itself, `read` to read and `admin` for all else."""
    return _SCOPES.get(view) or (READ if method in _READS else ADMIN)


def visitor() -> Visitor:
    """Return the visitor of this page."""
    admitted: Visitor = g.visitor
    return admitted


def visitor_or_none() -> Visitor | None:
    """Return the visitor of this page; None where it is open to all."""
    admitted: Visitor | None = g.get("visitor")
    return admitted


def admit() -> None:
    """Let a request in, before anything else of it is read.

    Raises:
        Forbidden: it comes from another site's page, or the visitor has not the scope.
        Unauthorized: there is no session.
    """
    scope = scope_of(current_app.view_functions[request.endpoint or ""], request.method)
    if request.method not in _READS and not _is_same_origin():
        raise Forbidden("This form was sent by another site's page, or by no page at all: open the console, and go on")
    if scope == OPEN:
        return
    g.visitor = _found(request.cookies.get(COOKIE, ""))
    if scope not in {ANY, *visitor().scopes}:
        has = ", ".join(visitor().scopes)
        raise Forbidden(f"This needs a key with the scope {scope}; yours has {has}", scope)
    if scope != ANY and request.method not in _READS and services().settings.console != "on":
        raise Forbidden("This console is for reading only (SLUICE_CONSOLE=read-only)")
    request.max_form_memory_size = _MOST_FORM_BYTES
    if visitor().is_operator and (named := request.args.get("tenant") or _field("tenant")):
        enter(_tenant_of(named))


def _field(name: str) -> str | None:
    """Return a field of a form; not of one with a file, which is read by its view, as it arrives."""
    return request.form.get(name) if request.mimetype == "application/x-www-form-urlencoded" else None


def _is_same_origin() -> bool:
    """True if a form was sent by a page of ours (https://www.w3.org/TR/fetch-metadata/).

    Browsers say so by themselves in a header that no page can set. Those that do not name the page's origin, at least.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.host


def _found(secret: str) -> Visitor:
    pool = services().console_pool(None)
    try:
        found = _look_up(pool, secret) if secret else None
    except Unavailable:  # the first to ask the database notices that it was restarted
        pool.check()
        found = _look_up(pool, secret)
    if found is None:
        raise Unauthorized("Your session has ended, or there was none: log in")
    return found


def _look_up(pool: Pool, secret: str) -> Visitor | None:
    with transaction(pool) as conn:
        session = sessions.find(conn, secret)
        if session is None:
            return None
        if session.key_id is None:
            g.operator = session.user_name
            return Visitor(secret, session.user_name, (*SCOPES, OPERATOR))
        caller = keys.caller_of(conn, session.key_id)
    if caller is None or not auth.is_good(caller):
        return None
    auth.become(caller)
    return Visitor(secret, None, tuple(caller.scopes))


def _tenant_of(text: str) -> Tenant:
    try:
        public_id = UUID(text)
    except ValueError:
        raise NotFound(f"There is no tenant {text!r}") from None
    with transaction(services().console_pool(None)) as conn:
        found = tenants.get(conn, public_id)
    if found is None:
        raise NotFound(f"There is no tenant {text!r}")
    return found


def enter(tenant: Tenant) -> None:
    """Have an operator look at one tenant from here on: what is called then is called as of its caller."""
    auth.become(
        Caller(
            key_id=_NO_KEY,
            key_label=f"console ({visitor().user_name})",
            tenant_id=tenant.id,
            tenant_public_id=tenant.public_id,
            template_id=tenant.template_id,
            batch_wait_seconds=tenant.batch_wait_seconds,
            workspace_id=tenant.workspace_id,
            workspace_name=tenant.workspace_name,
            tenant_name=tenant.name,
            key_version="",
            tenant_version="",
            revoked=False,
            expired=False,
            suspended=tenant.suspended_at is not None,
            stale=False,
            scopes=list(SCOPES),
            expires_at=None,
            addresses=None,
            requests_per_minute=None,
        )
    )


def enter_tenant_of(job_id: UUID) -> None:
    """Have an operator look at the tenant of a job from here on; a key's session is at its own already.

    Raises:
        NotFound: there is no such job.
        Gone: retention has deleted it.
    """
    if tenant_or_none() is not None:
        return
    with transaction(services().console_pool(None)) as conn:
        job = lookup.get(conn, job_id)
        tenant = None if job is None else tenants.of_id(conn, job.tenant_id)
        if tenant is None:
            raise absent(conn, None, job_id)
    enter(tenant)


def tenant_or_none() -> Caller | None:
    """Return the caller of whose tenant this page is; None where an operator sees all."""
    caller: Caller | None = g.get("caller")
    return caller


def lent() -> Pool:
    """Return connections that see the rows of this page's tenant, or all where an operator looks at all."""
    caller = tenant_or_none()
    return services().console_pool(None if caller is None else caller.tenant_id)


def part(read: Callable[[Connection], _Found]) -> _Found | None:
    """Return what a part of a page shows; None where the database took too long for it.

    Args:
        read: of an open transaction.
    """
    try:
        with transaction(lent()) as conn:
            return read(conn)
    except TryAgain:
        return None


def begin_session(response: Response, secret: str) -> Response:
    """Give the browser a session."""
    sends_by_tls = request.is_secure or "https" in {
        request.headers.get("X-Forwarded-Proto"),
        urlsplit(request.headers.get("Origin", "")).scheme,
    }
    response.set_cookie(
        COOKIE, secret, max_age=SESSION_SECONDS, path=_PATH, secure=sends_by_tls, httponly=True, samesite="Strict"
    )
    return response


def end_session(response: Response) -> Response:
    """End the session of this request, here and in the browser."""
    with autocommit(services().console_pool(None)) as conn:
        sessions.end(conn, visitor().secret)
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="Strict")
    return response


def note(action: str, count: int = 1, **about: object) -> None:
    """Log what a visitor has done.

    Args:
        action: a name for it.
        count: of the things that it was done to.
        about: further fields of the line.
    """
    caller = tenant_or_none()
    by = visitor().user_name or (caller.key_label if caller else "")
    key_id = str(caller.key_id) if caller and not visitor().is_operator else None
    log.info("console_action", action=action, by=by, key_id=key_id, count=count, **about)
