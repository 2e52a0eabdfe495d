"""The core that every process shares: kinds of items, jobs, their execution, all SQL. No Flask and no Celery tasks.

Imported by `app`, `worker` and `cli`; imports none of them. Upper imports lower:

    doctor                     check what the installation stands on
    engine                     execute jobs
    db                         store: all SQL
    items intake notify        check items; cut bodies into blocks; tell workers and requests
    webhooks                   messages of webhooks, and the sending of them
    json_screen                find in a text, at a glance, what needs a closer look
    json_batch                 split JSON that holds many items
    json_text json_repeats ids settings machine
    json_cuts                  cut JSON at its marks, where no decoder takes it
    master_keys proxies        make and check the keys of an installation; whom requests are believed to come from
    crypto                     encrypt secrets at rest
    rights metrics traces      of API keys; what is counted, and traced
    errors jobs environment urls logs faultpoints nearest origins timestamps

`import-linter` holds this in CI; pyproject.toml has the rules and the reason of each.
"""
