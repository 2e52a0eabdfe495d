"""The processes that run jobs: the Celery app and its one task, and sweep, which looks after what got lost."""
