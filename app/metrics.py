"""`/metrics`: what all web processes have counted, for Prometheus. There only where SLUICE_METRICS is on."""

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from ingest.metrics.process import shared_registry

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def show() -> Response:
    """Answer with all metrics, in the format that the scraper likes best."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(shared_registry()), content_type=content_type)
