"""The barest endpoint there is: it reads the body and says 202."""

from typing import Any

from flask import Flask, request


def create_app() -> Flask:
    app = Flask(__name__)

    @app.post("/events")
    def accept() -> tuple[dict[str, Any], int]:
        request.get_data()
        return {"success": True, "data": {"jobId": "job_00000000000000000000000000000000", "status": "pending"}}, 202

    return app
