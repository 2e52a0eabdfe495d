"""Have a process measure, and serve what it has measured.

A process that forks, as web and worker do, shares a folder of files with its children: each counts into files of its
own, and a scrape adds them up. The folder lies where temporary files do, and is named after the parent.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ingest.logs import Logger, get_logger
from ingest.metrics.metric import Metric, MetricType
from ingest.metrics.names import METRICS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

# prometheus_client reads this variable when it is imported, and counts into memory where it is not set.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


log: Logger = get_logger("ingest.metrics.process")


class Reading(NamedTuple):
    """A gauge as it was read.

    Attributes:
        labels: a value for each label of the metric.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float


def begin_shared(process: str) -> None:
    """Have this process, and all that it forks from now on, count into files of a folder.

    Args:
        process: its name in the Procfile.
    """
    folder = Path(tempfile.gettempdir(), f"sluice-metrics-{process}-{os.getuid()}-{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)  # of this process before it replaced itself, or of one long gone
    folder.mkdir(mode=0o700)
    os.environ[FOLDER] = str(folder)
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 # reads the variable when it is imported

    _begin(process, CollectorRegistry(), gauges=True)


def end_shared() -> None:
    """Remove the folder, at the end of the process that made it."""
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


def forget_child(pid: int) -> None:
    """Take a child that has ended out of the gauges; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 # costs nothing where metrics are off

    mark_process_dead(pid)  # type: ignore[no-untyped-call] # it has no types


def shared_registry() -> "CollectorRegistry":
    """Return what this process and its relatives have counted so far."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 # costs nothing where metrics are off
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 # likewise

    registry = CollectorRegistry()
    MultiProcessCollector(registry, os.environ[FOLDER])  # type: ignore[no-untyped-call] # it has no types
    return registry


def begin_alone(process: str, collector: "Collector | None" = None) -> "CollectorRegistry":
    """Have this process count in its memory.

    Args:
        process: its name in the Procfile.
        collector: reads its gauges at each scrape.

    Returns:
        The registry of what it counts.
    """
    from prometheus_client import CollectorRegistry, disable_created_metrics  # noqa: PLC0415 # likewise

    disable_created_metrics()  # type: ignore[no-untyped-call] # as files have none; a series more for each counter
    registry = CollectorRegistry()
    _begin(process, registry, gauges=False)
    if collector is not None:
        registry.register(collector)
    return registry


def end() -> None:
    """Count nothing from now on: in a child that nobody scrapes."""
    for metric in METRICS:
        metric.end()


def serve(registry: "CollectorRegistry", address: tuple[str, int]) -> None:
    """Answer scrapes from a thread of this process.

    A process that cannot listen there does its work all the same: another one may still be about to end.

    Args:
        registry: what it counts.
        address: host and port.
    """
    from prometheus_client import start_http_server  # noqa: PLC0415 # costs nothing where metrics are off

    host, port = address
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        log.error("metrics_not_served", address=f"{host}:{port}", error=error.strerror)  # noqa: TRY400 # that says it all


def families(readings: Iterable[Reading]) -> "Iterable[GaugeMetricFamily]":
    """Return gauges in the client library's form, those of a metric together."""
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 # costs nothing where metrics are off

    made: dict[str, GaugeMetricFamily] = {}
    for metric, labels, value in readings:
        if metric.name not in made:
            made[metric.name] = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
        made[metric.name].add_metric(labels, value)
    return made.values()


def _begin(process: str, registry: "CollectorRegistry", *, gauges: bool) -> None:
    for metric in METRICS:
        if process in metric.processes and (gauges or metric.type is not MetricType.GAUGE):
            metric.begin(registry)
