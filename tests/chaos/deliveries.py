"""One delivery of a job's message to a process of its own, which may have a fault."""

import os
import signal
import subprocess
import sys
import tempfile
from uuid import UUID

from tests.chaos.deployment import Deployment
from tests.support.processes import ROOT

# The program of a worker's child that gets a message.
_DELIVERY = "import sys; from worker.tasks import run_job; run_job(sys.argv[1])"

_TIMEOUT_SECONDS = 60.0


def deliver(deployment: Deployment, job_id: UUID, fault: str) -> "subprocess.Popen[bytes]":
    """Deliver to a process with SLUICE_FAULT. It runs this job, and then all other queued jobs."""
    urls = {"DATABASE_URL": deployment.settings.database_url, "REDIS_URL": deployment.settings.redis_url}
    env = {**os.environ, **urls, "SLUICE_FAULT": fault}
    argv = [sys.executable, "-c", _DELIVERY, str(job_id)]
    deployment.spoken.append(tempfile.TemporaryFile("w+"))  # noqa: SIM115 # the deployment closes it
    deployment.deliveries.append(
        subprocess.Popen(argv, cwd=ROOT, env=env, stdout=deployment.spoken[-1], stderr=subprocess.STDOUT)
    )
    return deployment.deliveries[-1]


def assert_killed(delivery: "subprocess.Popen[bytes]") -> None:
    assert delivery.wait(_TIMEOUT_SECONDS) == -signal.SIGKILL, "the fault point was never passed"


def assert_stopped(delivery: "subprocess.Popen[bytes]") -> None:
    _, status = os.waitpid(delivery.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "the fault point was never passed"
