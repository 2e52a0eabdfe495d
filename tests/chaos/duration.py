"""The duration of random runs: `make chaos` sets CHAOS_SECONDS; without it, a short run shows the same."""

import os

import pytest

LONG = "CHAOS_SECONDS" in os.environ
SECONDS = float(os.environ.get("CHAOS_SECONDS", "10"))

# For tests whose claim a shorter test shows too, or a test of a lower level.
only_long = pytest.mark.skipif(not LONG, reason="make chaos runs it")
