"""Decide which spans are sent. Needs the extra `otel`."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBasedTraceIdRatio, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

# Of a span that says why its work failed. A span that begins with it is sent, in the sample or not.
ERROR = "error.type"


class Sampler(ParentBasedTraceIdRatio):
    """Sends a span whose parent is sent; of those without parent a share, and all that link to a span which is sent.

    A span of several jobs thus is there whenever the request of one of them is.
    """

    def should_sample(  # noqa: PLR0917 # the SDK's own order
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span; as of the SDK."""
        failed = attributes is not None and ERROR in attributes
        if failed or any(link.context.trace_flags.sampled for link in links or ()):
            return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        return super().should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
