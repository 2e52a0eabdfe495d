"""All metrics of Sluice, as `docs/reference/metrics.md` lists them. A process counts by these."""

from ingest.metrics.metric import Metric, MetricType

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_WEB, _WORKER, _SWEEP, _WEBHOOKS = "web", "worker", "sweep", "webhooks"

# A request is over within 30 s; a job may wait for an hour.
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOB_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_BLOCK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Metric(
    "sluice_http_requests_total",
    _COUNTER,
    "Requests that were answered, by the rule of their address.",
    (_WEB,),
    ("route", "method", "status"),
)
REQUEST_DURATION = Metric(
    "sluice_http_request_duration_seconds",
    _HISTOGRAM,
    "How long requests took, bodies and waits for jobs included.",
    (_WEB,),
    ("route", "method"),
    _REQUEST_BUCKETS,
)
REFUSED = Metric(
    "sluice_requests_refused_total",
    _COUNTER,
    "Requests that were answered with an error, by its code.",
    (_WEB,),
    ("code",),
)
JOBS_ACCEPTED = Metric("sluice_jobs_accepted_total", _COUNTER, "Batches that became a job.", (_WEB,), ("kind",))
ITEMS_ACCEPTED = Metric("sluice_items_accepted_total", _COUNTER, "Items of these jobs.", (_WEB,), ("kind",))
BYTES_RECEIVED = Metric(
    "sluice_bytes_received_total",
    _COUNTER,
    "Bytes of request bodies, compressed where they came so.",
    (_WEB,),
)
WAITING_REQUESTS = Metric(
    "sluice_waiting_requests", _GAUGE, "Requests that wait for the end of their job (`Prefer: wait`).", (_WEB,)
)
REPLAYS = Metric(
    "sluice_idempotent_replays_total",
    _COUNTER,
    "Repeats that were answered as the first request under their Idempotency-Key.",
    (_WEB,),
    ("operation",),
)

ITEMS = Metric(
    "sluice_items_total",
    _COUNTER,
    "Items of blocks that were committed, by what became of them.",
    (_WORKER, _WEB),
    ("kind", "effect"),
)
ITEM_ERRORS = Metric(
    "sluice_item_errors_total", _COUNTER, "Bad items, by their code.", (_WORKER, _WEB), ("kind", "code")
)
JOBS_ENDED = Metric(
    "sluice_jobs_ended_total", _COUNTER, "Jobs that ended.", (_WORKER, _WEB, _SWEEP), ("kind", "status")
)
JOB_WAIT = Metric(
    "sluice_job_wait_seconds",
    _HISTOGRAM,
    "From the acceptance of a job to its first delivery; of jobs that ended.",
    (_WORKER, _WEB, _SWEEP),
    ("kind",),
    _JOB_BUCKETS,
)
JOB_DURATION = Metric(
    "sluice_job_duration_seconds",
    _HISTOGRAM,
    "From the acceptance of a job to its end.",
    (_WORKER, _WEB, _SWEEP),
    ("kind",),
    _JOB_BUCKETS,
)
BLOCK_DURATION = Metric(
    "sluice_block_duration_seconds",
    _HISTOGRAM,
    "The phases of a transaction that runs a block, or several small jobs.",
    (_WORKER, _WEB),
    ("kind", "phase"),
    _BLOCK_BUCKETS,
)
BLOCKS = Metric(
    "sluice_blocks_total",
    _COUNTER,
    "Blocks that were done; and those delivered again, written in halves, or checked in quarantine.",
    (_WORKER, _WEB),
    ("kind", "outcome"),
)
JOBS_PER_TRANSACTION = Metric(
    "sluice_jobs_per_transaction",
    _HISTOGRAM,
    "Small jobs that shared a transaction.",
    (_WORKER, _WEB),
    (),
    (1, 2, 5, 10, 20, 50),
)
DATABASE_ERRORS = Metric(
    "sluice_database_errors_total",
    _COUNTER,
    "Errors of the database, by the class of their SQLSTATE; 00 where no server answered.",
    (_WEB, _WORKER, _SWEEP, _WEBHOOKS),
    ("sqlstate",),
)
NOTIFICATIONS = Metric(
    "sluice_notifications_total",
    _COUNTER,
    "Notifications of workers. One that was dropped or failed delays a job by a second or two.",
    (_WEB, _WORKER, _SWEEP),
    ("result",),
)
SWEEP_ACTIONS = Metric(
    "sluice_sweep_actions_total", _COUNTER, "What the sweeper did, by the words of its log.", (_SWEEP,), ("action",)
)
DELIVERIES = Metric(
    "sluice_webhook_deliveries_total",
    _COUNTER,
    "Tries to deliver a message: delivered, failed (another one follows), or given up.",
    (_WEBHOOKS,),
    ("result",),
)

# The sweeper reads these every 15 seconds.
JOBS_OPEN = Metric("sluice_jobs_open", _GAUGE, "Jobs that wait or run.", (_SWEEP,), ("status",))
ITEMS_OPEN = Metric("sluice_items_open", _GAUGE, "Items of these jobs that are not done.", (_SWEEP,), ("kind",))
OLDEST_WAIT = Metric(
    "sluice_oldest_job_wait_seconds", _GAUGE, "How long the oldest job waits that no worker has begun.", (_SWEEP,)
)
LONGEST_WITHOUT_PROGRESS = Metric(
    "sluice_longest_without_progress_seconds",
    _GAUGE,
    "How long a job that a worker has begun has not moved, at most.",
    (_SWEEP,),
)
PAYLOAD_BYTES = Metric(
    "sluice_payload_bytes", _GAUGE, "Bytes on disk of the blocks of jobs, indexes included.", (_SWEEP,)
)
TENANT_ITEMS_OPEN = Metric(
    "sluice_tenant_items_open",
    _GAUGE,
    "Items that are not done, of the tenants that have most (SLUICE_METRICS_TENANTS says how many).",
    (_SWEEP,),
    ("tenant",),
)
WORKER_SESSIONS = Metric(
    "sluice_worker_sessions", _GAUGE, "Sessions in the database of processes that run jobs.", (_SWEEP,)
)
OLDEST_TRANSACTION = Metric(
    "sluice_oldest_transaction_seconds",
    _GAUGE,
    "The age of the oldest transaction, behind which vacuum removes nothing.",
    (_SWEEP,),
)
BROKER_UP = Metric("sluice_broker_up", _GAUGE, "1 if Redis answers the sweeper, else 0.", (_SWEEP,))
MIGRATIONS_PENDING = Metric(
    "sluice_migrations_pending", _GAUGE, "Migrations that `sluice migrate` has still to apply.", (_SWEEP,)
)
LAST_ROUND = Metric(
    "sluice_sweep_last_round_timestamp_seconds", _GAUGE, "When the sweeper last ended a round.", (_SWEEP,)
)
BUILD = Metric("sluice_build_info", _GAUGE, "Always 1, with the versions as labels.", (_SWEEP,), ("version", "python"))

METRICS = (
    *(REQUESTS, REQUEST_DURATION, REFUSED, JOBS_ACCEPTED, ITEMS_ACCEPTED, BYTES_RECEIVED, WAITING_REQUESTS, REPLAYS),
    *(ITEMS, ITEM_ERRORS, JOBS_ENDED, JOB_WAIT, JOB_DURATION, BLOCK_DURATION, BLOCKS, JOBS_PER_TRANSACTION),
    *(DATABASE_ERRORS, NOTIFICATIONS, SWEEP_ACTIONS, DELIVERIES),
    *(JOBS_OPEN, ITEMS_OPEN, OLDEST_WAIT, LONGEST_WITHOUT_PROGRESS, PAYLOAD_BYTES, TENANT_ITEMS_OPEN),
    *(WORKER_SESSIONS, OLDEST_TRANSACTION, BROKER_UP, MIGRATIONS_PENDING, LAST_ROUND, BUILD),
)
