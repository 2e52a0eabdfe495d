"""Batches with bad items, and the error files of their jobs."""

from collections.abc import Callable
from typing import Any

from tests.api.conftest import Api

LINES, CSV = "application/x-ndjson", "text/csv"
Run = Callable[..., dict[str, Any]]

HEADER = "externalId,entityType,email,vip_level:number,tags:json"


def file_of(api: Api, job: dict[str, Any], suffix: str) -> bytes:
    with api.get(f"/batch/jobs/{job['id']}/errors.{suffix}") as answer:
        assert answer.status_code == 200
        return answer.get_data()


def told(job: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Errors but for their indexes and lines."""
    errors = job["output"]["errors"]
    return [(error["code"], error["field"], error["message"], error["externalId"]) for error in errors]
