"""The core that every process shares: kinds of item, jobs, their execution, all SQL. No Flask and no Celery tasks.

Imported by `app`, `worker` and `cli`; imports none of them. Inside, upper may import lower only:

    executor
    transaction | single_write
    writing | late
    kinds
    writers
    outcomes
    db
    notifier | intake | quarantine
    broker | listener | job_end
    fastpath
    object_events
    objects
    entities | events | states | public
    checking
    fields
    jobs | templates | rawjson
    ids
    logs | config
    errors | faultpoints | gc_tuning | redis_client

`import-linter` holds this in CI; pyproject.toml has the rules and the reason of each.
"""
