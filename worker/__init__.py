"""The processes that carry jobs out: the Celery app and its one task, and sweep, which looks after what got lost."""
