"""The trace context of a request, as its job keeps it: a `traceparent` of W3C Trace Context, made by our own tracer."""


def is_sampled(traceparent: str) -> bool:
    """True if the spans of this trace are sent. The last field has the flags, of which the lowest bit says so."""
    return int(traceparent[-2:], 16) & 1 == 1


def trace_id(traceparent: str) -> str:
    """Return the id of the trace, as log lines have it."""
    return traceparent.split("-")[1]
