"""Spans of tries to deliver a message to a webhook, where this process traces."""

from ingest import ids
from ingest.db.webhooks.sending import Mark
from ingest.traces import process


def add_span(outcome: Mark, traceparent: str | None, began: int) -> None:
    """Add the span of a try that is over; its address stays out of it, because that may hold a secret.

    Args:
        outcome: of the try.
        traceparent: of the request that brought the message's job, if there is one.
        began: nanoseconds since 1970.
    """
    tracer = process.tracer()
    if tracer is None:
        return
    claim = outcome.claim
    attributes: dict[str, str | int] = {
        "sluice.webhook.id": ids.spell(ids.WEBHOOK, claim.webhook_id),
        "sluice.delivery.id": ids.spell(ids.MESSAGE, claim.id),
        "sluice.delivery.number": claim.number,
    }
    if claim.job_id is not None:
        attributes["sluice.job.id"] = ids.spell(ids.JOB, claim.job_id)
    if outcome.status is not None:
        attributes["http.response.status_code"] = outcome.status
    if outcome.error is not None:
        attributes["error.type"] = "no_answer" if outcome.status is None else str(outcome.status)
    links = [] if traceparent is None else [traceparent]
    tracer.start("deliver webhook", "CLIENT", attributes, parent=traceparent, links=links, began=began).end()
