"""Calls of uploads in parts, as the tests make them."""

import base64
import hashlib
from typing import Any

import psycopg
from werkzeug.test import TestResponse

from tests.api.conftest import Api, data
from tests.api.operator.test_lines import LINES

NEW = {"kind": "entities", "contentType": LINES}


def begin(api: Api, **members: Any) -> str:
    """Begin an upload; return its id."""
    answer = api.post("/batch/uploads", {**NEW, **members})
    assert answer.status_code == 201, answer.get_json()
    upload_id: str = data(answer)["uploadId"]
    return upload_id


def put(api: Api, upload_id: str, part: object, body: bytes, **headers: str) -> TestResponse:
    sent = {"Content_Type": LINES, **headers}
    return api.call("PUT", f"/batch/uploads/{upload_id}/parts/{part}", body=body, **sent)


def complete(api: Api, upload_id: str, parts: object, **headers: str) -> TestResponse:
    return api.post(f"/batch/uploads/{upload_id}/complete", {"parts": parts}, **headers)


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def rows(observer: psycopg.Connection[tuple[Any, ...]]) -> tuple[int, ...]:
    """Return the numbers of uploads, attempts, jobs and blocks."""
    tables = ("uploads", "upload_parts", "jobs", "job_blocks")
    return tuple(observer.execute(f"SELECT FROM {table}".encode()).rowcount for table in tables)


def call_all(api: Api, upload_id: str) -> list[TestResponse]:
    """Return the answers of all calls that name an upload."""
    path = f"/batch/uploads/{upload_id}"
    return [put(api, upload_id, 1, b"{}"), complete(api, upload_id, 1), api.get(path), api.delete(path)]
