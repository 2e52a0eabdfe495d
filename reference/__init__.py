"""The pages of docs/reference that are made of the source; `python -m reference` writes them anew.

    calls.py        api.md, from the OpenAPI document
    commands.py     cli.md, from click
    settings.py     settings.md, from .env.example
    limits.py       limits.md, from what `GET /capabilities` tells
    tables.py       metrics.md and states-and-effects.md, from the lists in the code

errors.md is made by `app.openapi.error_pages`. tests/docs/test_reference.py fails while a page is not as it would be
made. log-events.md is written by hand, and held against the source by tests/repository/test_log_events.py.
"""

from collections.abc import Callable, Mapping

from app.openapi import error_pages
from reference import calls, commands, limits, settings, tables

PAGES: Mapping[str, Callable[[], str]] = {
    "api": calls.page,
    "cli": commands.page,
    "errors": error_pages.markdown,
    "limits": limits.page,
    "metrics": tables.metrics,
    "settings": settings.page,
    "states-and-effects": tables.states_and_effects,
}
