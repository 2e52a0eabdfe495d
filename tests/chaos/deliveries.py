"""One delivery of a job's message to a process of its own, which may have a fault."""

import os
import signal
import tempfile
from uuid import UUID

from tests.chaos.deployment import Deployment
from tests.support.forked import Forked, deliver_message

_TIMEOUT_SECONDS = 60.0


def deliver(deployment: Deployment, job_id: UUID, fault: str) -> Forked:
    """Deliver to a process with SLUICE_FAULT. It runs this job, and then all other queued jobs."""
    settings = deployment.settings
    own = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SLUICE_MASTER_KEYS": settings.master_keys,
    }
    output = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 # the deployment closes it
    deployment.spoken.append(output)
    deployment.deliveries.append(
        Forked(deliver_message, str(job_id), env={**os.environ, **own, "SLUICE_FAULT": fault}, output=output.fileno())
    )
    return deployment.deliveries[-1]


def assert_killed(delivery: Forked) -> None:
    assert delivery.wait(_TIMEOUT_SECONDS) == -signal.SIGKILL, "the fault point was never passed"


def assert_stopped(delivery: Forked) -> None:
    """The test's own time limit bounds it."""
    while not delivery.is_stopped():
        assert delivery.wait(0.01) is None, "the fault point was never passed"
