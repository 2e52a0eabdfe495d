"""Make spans, and send them by OTLP over HTTP. Needs the extra `otel`.

A thread sends them, in batches, every five seconds. Where the receiver is away it tries again for a while, and drops
spans beyond the 2,048 that wait: nothing else of the process waits for it.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ingest.logs import Logger, get_logger
from ingest.traces.sampling import ERROR, Sampler

# A process that ends waits so long for its last spans to be sent.
_FLUSH_SECONDS = 2.0

_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()

log: Logger = get_logger("ingest.traces.tracer")


class Tracer:
    """Makes the spans of a process.

    Args:
        process: its name in the Procfile.
        ratio: the share of traces that is sent, 0 to 1, unless the caller of the API has decided for its own.
    """

    def __init__(self, process: str, ratio: float) -> None:
        self._sender = _Sender(OTLPSpanExporter())
        # It logs each try that fails; ours says once that it cannot send.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        resource = Resource.create({"service.namespace": "sluice", "service.name": f"sluice-{process}"})
        self._provider = TracerProvider(sampler=Sampler(ratio), resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._sender))
        self._tracer = self._provider.get_tracer("sluice")

    def start(
        self,
        name: str,
        kind: Literal["SERVER", "CONSUMER", "CLIENT", "INTERNAL"],
        attributes: Mapping[str, str | int | bool],
        *,
        parent: str | Span | None = None,
        links: Sequence[str] = (),
        began: int | None = None,
    ) -> Span:
        """Start a span; it records nothing if it is not in the sample.

        Args:
            name: of few values, so without ids.
            kind: how it stands to the others of its trace.
            attributes: ids and counts; with ERROR, it is sent in any case, as failed.
            parent: a span, or the `traceparent` of one in another process; one that is wrong counts as none.
            links: the `traceparent` of each request that it does work of.
            began: nanoseconds since 1970, if not now.
        """
        above = _context(parent) if isinstance(parent, str) else parent and parent.get_span_context()
        context = trace.set_span_in_context(trace.NonRecordingSpan(above)) if above else Context()
        found = [context for context in map(_context, links) if context is not None]
        span = self._tracer.start_span(
            name, context, SpanKind[kind], attributes, [Link(context) for context in found], began
        )
        if ERROR in attributes:
            span.set_status(Status(StatusCode.ERROR))
        return span

    def close(self) -> None:
        """Send the spans that are left, at the end of the process; wait a moment for that."""
        # The SDK would wait for as long as it tries again.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(0 if self._sender.is_failing else _FLUSH_SECONDS)
        if ending.is_alive():
            self._sender.fail()
            self._sender.shutdown()

    @staticmethod
    def fail(span: Span, reason: str) -> None:
        """Say of a span that its work failed, and by which error."""
        span.set_attribute(ERROR, reason)
        span.set_status(Status(StatusCode.ERROR))

    @staticmethod
    def traceparent_of(span: Span) -> str | None:
        """Return what other processes name a span by, sent or not; None if OTEL_SDK_DISABLED keeps it without ids."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        return carrier.get(_HEADER)

    @staticmethod
    def fields_of(span: Span) -> dict[str, str]:
        """Return the ids of a span, for log lines."""
        context = span.get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _context(traceparent: str) -> SpanContext | None:
    """Read a `traceparent`. Nothing else of what a caller sends is taken over, `tracestate` and `baggage` included."""
    context = trace.get_current_span(_PROPAGATOR.extract({_HEADER: traceparent})).get_span_context()
    return context if context.is_valid else None


class _Sender(SpanExporter):
    """Sends spans, and logs once that it cannot, until it can again.

    Attributes:
        is_failing: the last try failed.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some spans; try again for ten seconds (OTEL_EXPORTER_OTLP_TIMEOUT)."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.is_failing = False
        else:
            self.fail()
        return result

    def fail(self) -> None:
        """Note that spans were not sent."""
        if not self.is_failing:
            log.warning("traces_not_sent")
        self.is_failing = True

    def shutdown(self) -> None:
        """End what is under way."""
        self._exporter.shutdown()
