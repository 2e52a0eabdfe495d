"""Tune Python's garbage collector, which frees objects that refer to one another in cycles; others it need not free."""

import gc

# Run the collector after this many surviving new objects, which are a few megabytes. A block makes some thousands that
# are freed with it and form no cycles: at Python's default of 700 the collector takes up to a fifth of a worker's time.
_OBJECTS = 50_000


def collect_seldom() -> None:
    """Run the collector seldom in this process, and never over the objects that exist already, which stay."""
    gc.freeze()
    gc.set_threshold(_OBJECTS)
