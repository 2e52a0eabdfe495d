"""Store: all SQL, and the only psycopg. Every function takes `conn` first and never commits.

    verify doctor gauges   check what is stored, and the server that stores it; read the gauges of the queue
    jobs, data, workers    each move of a job; entities, events and states; counts of the processes that run jobs
    webhooks               webhooks, and the messages on their way to them
    tenants                tenants, their keys and templates
    bulk                   many rows at once: COPY, arrays in binary, upserts
    connection             connections, the errors of the driver, migrations

Upper imports lower. `migrations/` has the schema.
"""
