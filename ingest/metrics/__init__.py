"""Metrics for Prometheus: what a process counts, and how it is read (docs/reference/metrics.md).

    metric.py    one metric: inert until the process measures
    names.py     all metrics, each with its labels and who counts it
    process.py   have a process measure, and serve what it has measured

They are off unless SLUICE_METRICS is on: then no client library is imported, and each call returns at once. A metric is
for rates and alarms: a process that is killed between a COMMIT and the count has counted too little. `sluice verify`
tells what is true.
"""
