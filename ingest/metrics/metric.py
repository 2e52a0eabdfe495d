"""One metric: inert until the process measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class MetricType(StrEnum):
    """The ways in which a metric moves, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(eq=False, slots=True)
class Metric:
    """A metric of Sluice. Its labels have few values: no tenant, no job and no key is one.

    Attributes:
        name: as it is scraped, with its unit.
        type: counters only grow; gauges go up and down; histograms count values by their size.
        text: what it says, for `# HELP` and the reference.
        processes: those that measure it, by their names in the Procfile, the one that does so most first.
        labels: their names.
        buckets: the upper bounds of a histogram's buckets.
    """

    name: str
    type: MetricType
    text: str
    processes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    _counter: Counter | None = field(default=None, init=False)
    _gauge: Gauge | None = field(default=None, init=False)
    _histogram: Histogram | None = field(default=None, init=False)

    def begin(self, registry: CollectorRegistry) -> None:
        """Measure from now on.

        Args:
            registry: those of the process.
        """
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415 # costs nothing where metrics are off

        if self.type is MetricType.COUNTER:
            self._counter = Counter(self.name, self.text, self.labels, registry=registry)
        elif self.type is MetricType.GAUGE:
            self._gauge = Gauge(self.name, self.text, self.labels, registry=registry, multiprocess_mode="livesum")
        else:
            self._histogram = Histogram(self.name, self.text, self.labels, registry=registry, buckets=self.buckets)

    def end(self) -> None:
        """Measure nothing from now on."""
        self._counter = self._gauge = self._histogram = None

    def add(self, *labels: str, by: float = 1) -> None:
        """Count: of a counter, or of a gauge, which may also go down.

        Args:
            labels: a value for each label.
            by: how much.
        """
        if self._counter is not None:
            (self._counter.labels(*labels) if labels else self._counter).inc(by)
        elif self._gauge is not None:
            (self._gauge.labels(*labels) if labels else self._gauge).inc(by)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value by its size.

        Args:
            value: in the metric's unit.
            labels: a value for each label.
        """
        if self._histogram is not None:
            (self._histogram.labels(*labels) if labels else self._histogram).observe(value)
