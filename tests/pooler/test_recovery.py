"""Behind a pooler too, a killed worker's block is free at once, and the sweeper finds jobs that lost their message."""

import pytest

from tests.worker.test_recovery import (  # noqa: F401
    test_jobs_end_with_no_worker_at_all,
    test_kill_9_of_a_worker_in_a_job_of_20_blocks_loses_and_doubles_nothing,
)

# The harder mode is enough: in the other one a worker keeps its session.
pytestmark = pytest.mark.parametrize("pooler", ["transaction"], indirect=True)
