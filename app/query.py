"""Query parameters: a call takes those that its description names, each once, and refuses all others."""

import difflib
from collections.abc import Collection

from flask import request

from ingest.errors import InvalidParameter


def check(known: Collection[str]) -> None:
    """Refuse a query that says more than the call understands: to ignore `?mod=merge` would replace all of `data`.

    Args:
        known: the names of the parameters that the call takes.

    Raises:
        InvalidParameter: a parameter is unknown, or stands twice.
    """
    if not request.query_string:
        return
    for name, values in request.args.lists():
        if name not in known:
            raise InvalidParameter(name, f'Unknown query parameter "{name}"{_hint(name, known)}')
        if len(values) > 1:
            raise InvalidParameter(name, f'The query parameter "{name}" stands {len(values)} times; send it once')


def _hint(name: str, known: Collection[str]) -> str:
    if not known:
        return ": this call takes none"
    lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    guess = f' (did you mean "{lower[near[0]]}"?)' if near else ""
    return f"{guess}: this call takes {', '.join(known)}"
