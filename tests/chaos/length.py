"""How long to go on: `make chaos` sets CHAOS_SECONDS; without it a run of all tests shows the same in less time."""

import os

import pytest

LONG = "CHAOS_SECONDS" in os.environ
SECONDS = float(os.environ.get("CHAOS_SECONDS", "10"))

# What a shorter test shows as well, or at a level below.
only_long = pytest.mark.skipif(not LONG, reason="make chaos runs it")
