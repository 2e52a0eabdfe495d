"""The tenant of a page that is about one: an operator of all picks it first."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from flask import Response, request

from app.console import access
from app.console.pages import page
from app.http.services import services
from ingest.db.connection.pool import transaction
from ingest.db.tenants import tenants

_View = TypeVar("_View", bound=Callable[..., Response])


def pick_unless_known(view: _View) -> _View:
    """Have a view answer with a list of tenants to pick from while its visitor looks at all of them."""

    @wraps(view)
    def picked(**arguments: str) -> Response:
        if access.tenant_or_none() is not None:
            return view(**arguments)
        with transaction(services().console_pool(None)) as conn:
            everyone = tenants.everyone(conn)
        asked = [(name, value) for name, value in request.args.items() if name != "tenant"]
        return page("pick", tenants=everyone, path=request.path, asked=asked)

    return cast(_View, picked)
