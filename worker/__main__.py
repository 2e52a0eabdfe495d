"""The Celery worker as a process: `python -m worker`.

Celery's own command line imports all of its commands, flower and an interactive prompt among them, into each worker.
"""

import sys

from worker.celery import app


def main() -> None:
    """Run the worker until a signal ends it."""
    # On HUP, Celery replaces the process by Python with these arguments.
    sys.argv[:] = ["-m", "worker"]
    worker = app.Worker(loglevel="INFO", quiet=True, without_gossip=True, without_mingle=True)
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
