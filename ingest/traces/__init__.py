"""Traces for OpenTelemetry: spans of requests, job groups, blocks and deliveries.

    process.py      have a process trace: after its fork, because a thread of its own sends the spans
    traceparent.py  the trace context of a request, as its job keeps it
    tracer.py       make spans, and send them
    sampling.py     decide which spans are sent

They are off unless SLUICE_TRACES is on: then nothing here imports OpenTelemetry, and `process.tracer()` is None. The
last two files need the extra `otel`. No span holds an item, a key, a path with ids, or an address of a client.
"""
