"""Python's search for garbage: for objects that only name one another in a cycle. All others go at once, without it."""

import gc

# Objects made since the last search, and still there, after which it searches again. A block makes some thousands that
# go with it, and in no cycles: at Python's own 700 the search takes up to a fifth of a worker's time. So many are a few
# megabytes.
_OBJECTS = 50_000


def look_seldom() -> None:
    """Have this process search seldom, and never among what is there already, which stays."""
    gc.freeze()
    gc.set_threshold(_OBJECTS)
