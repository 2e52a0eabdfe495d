"""Name the known name that an unknown one is near to, as senders mistype names. Pure."""

import difflib
from collections.abc import Collection

# difflib is quadratic in the names and linear in their number, and a block may have a thousand unknown ones: hints must
# stay far below the time that a block has.
_LONGEST_COMPARED = 40
_MOST_COMPARED = 30


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the hint that a message puts behind an unknown name; empty where no known name is near to it.

    Args:
        name: as sent; the case of its letters does not matter.
        known: the names that it may have meant.
    """
    near = nearest(name, known)
    return "" if near is None else f' (did you mean "{near}"?)'


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that an unknown one is near to; None where there is none. The rest is as above."""
    if len(name) > _LONGEST_COMPARED or len(known) > _MOST_COMPARED:
        return None
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return lower[near[0]] if near else None
