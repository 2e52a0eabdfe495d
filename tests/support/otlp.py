"""A receiver of spans: OTLP over HTTP, in threads of this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.processes import TIMEOUT_SECONDS
from tests.support.receiver import Receiver, receiving, status


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it arrived, its ids in hexadecimal digits."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: list[tuple[str, str]]
    attributes: dict[str, Any]
    events: list[str]
    failed: bool
    text: str = field(repr=False)


class Spans:
    """The spans that a receiver has been sent."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.endpoint = receiver.url.removesuffix("/hook")

    def all(self) -> list[ReceivedSpan]:
        return [span for message in list(self._receiver.messages) for span in _spans(message.body)]

    def until(self, fact: Callable[[list[ReceivedSpan]], object]) -> list[ReceivedSpan]:
        """Return all spans once the fact holds of them; looked at anew whenever some arrive."""
        with self._receiver.arrived:
            there = self._receiver.arrived.wait_for(lambda: fact(self.all()), TIMEOUT_SECONDS)
        assert there, self.all()
        return self.all()


@contextmanager
def receiving_spans() -> Iterator[Spans]:
    with receiving() as receiver:
        receiver.answers = status(200)
        yield Spans(receiver)


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(of_process.resource.attributes)["service.name"]
        for span in (span for scope in of_process.scope_spans for span in scope.spans):
            yield ReceivedSpan(
                service,
                span.name,
                trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                _values(span.attributes),
                [event.name for event in span.events],
                span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                f"{of_process.resource} {span}",
            )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
