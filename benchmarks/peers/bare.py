"""The barest endpoints there are: they read the body, and say 202, or 200 to traces."""

from typing import Any

from flask import Flask, request


def create_app() -> Flask:
    app = Flask(__name__)

    @app.post("/events")
    def accept() -> tuple[dict[str, Any], int]:
        request.get_data()
        return {"success": True, "data": {"jobId": "job_00000000000000000000000000000000", "status": "pending"}}, 202

    @app.post("/v1/traces")
    def take_spans() -> bytes:
        request.get_data()
        return b""

    return app
