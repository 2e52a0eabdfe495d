"""`GET /health`: whom a key lets in."""

from flask import Blueprint, Response

from app.http import rate_limit
from app.http.auth import caller
from app.http.describe import describe
from app.public.envelope import success
from ingest.rights import ANY

bp = Blueprint("health", __name__)
bp.before_request(rate_limit.scope("read"))


@bp.get("/health")
@describe("Whose key it is", operation="getKeyHealth", scope=ANY, answers={200: "KeyHealth"}, bare=True)
def get() -> Response:
    """Answer with the key's name, its dataset and its workspace."""
    return success(
        {
            "status": "healthy",
            "workspace_id": caller().workspace_id,
            "workspace_name": caller().workspace_name,
            "dataset_id": caller().tenant_public_id,
            "dataset_name": caller().tenant_name,
            "api_key_name": caller().key_label,
        }
    )
