"""The Celery worker as a process: `python -m worker`.

Celery's own command line imports all of its commands, flower and an interactive prompt among them, into each worker.
"""

import sys

from ingest.metrics import process as measuring
from worker.celery import app, settings


def main() -> None:
    """Run the worker until a signal ends it."""
    # On HUP, Celery replaces the process by Python with these arguments.
    sys.argv[:] = ["-m", "worker"]
    if settings.metrics:
        measuring.begin_shared("worker")
        measuring.serve(measuring.shared_registry(), settings.metrics_address(0))
    worker = app.Worker(loglevel="INFO", quiet=True, without_gossip=True, without_mingle=True)
    worker.start()
    if settings.metrics:
        measuring.end_shared()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
