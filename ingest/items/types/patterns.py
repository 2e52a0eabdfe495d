"""Regular expressions of senders' templates: RE2 matches in time linear in the text, whatever the expression."""

from functools import lru_cache

import re2  # type: ignore[import-untyped] # it has no types

# A pattern is compiled into a program of bounded size, far below this.
LONGEST = 1_000

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class BadPattern(ValueError):
    """RE2 does not take the pattern."""


@lru_cache(1_000)
def compiled(pattern: str) -> "re2._Regexp":
    """Return a pattern, ready to `search` texts with.

    Args:
        pattern: as of JSON Schema's `pattern`: it may match anywhere in the text.

    Raises:
        BadPattern: it cannot be matched in linear time, or is no regular expression; the message says which part.
    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        [reason] = error.args
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
