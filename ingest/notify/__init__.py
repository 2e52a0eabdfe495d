"""Tell workers that jobs wait, and requests that their job has moved or ended. Redis holds hints alone.

    notifier               publish that a job waits: to a listener, or as a message
    listener broker        the two ways to a worker: listening, and Celery's queue
    job_end                wake the request that waits for its job
    watched progress       wake the requests that watch a job, wherever it is run
    heartbeats             the workers that run, counted
    tallies last_verify    what the console shows of the installation: counts by the time, the last `sluice verify`
    process_thread         the thread by which notifier, progress and tallies reach Redis
    redis_client           Redis clients that give up soon

Upper imports lower. The sweeper makes up for lost notifications, so nothing here needs the database.
"""
