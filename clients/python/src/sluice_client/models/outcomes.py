"""The outcomes of the items of a job: errors, warnings, results."""

from __future__ import annotations

from typing import Any

from sluice_client.models.shapes import Camel, Snake


class ItemError(Camel):
    """The reason why one item was refused.

    Attributes:
        index: 0-based; of a load, in the caller's own stream.
        item: the caller's own object, where a load sent it; else as it was sent, if `items=True` asked for it.
        field: a JSON Pointer into the item.
        retryable: the same item may be taken later.
        job_id: of the job that refused it; filled in by loads.
    """

    index: int
    code: str
    message: str
    line: int | None = None
    external_id: str | None = None
    field: str | None = None
    retryable: bool = False
    item: Any = None
    job_id: str = ""

    def __str__(self) -> str:
        named = f" ({self.external_id})" if self.external_id else ""
        return f"item {self.index}{named}: {self.code}: {self.message}"


class ErrorGroup(Snake):
    """Errors that are alike; `ranges` are the first runs of their indexes."""

    code: str
    message: str
    count: int
    ranges: list[tuple[int, int]]
    sample: ItemError
    field: str | None = None


class ItemWarning(Snake):
    """A word to the sender of an item that was taken."""

    index: int
    code: str
    message: str
    line: int | None = None
    field: str | None = None


class Warnings(Snake):
    """The count of a job's warnings, and the first of them."""

    count: int = 0
    first: list[ItemWarning] = []


class ItemResult(Snake):
    """The outcome of an item that was taken; `id` is of what it wrote."""

    index: int
    effect: str
    line: int | None = None
    id: str | None = None


class JobItem(Snake):
    """The outcome of one item; None stands for what is not kept."""

    index: int
    line: int | None = None
    effect: str | None = None
    id: str | None = None
    error: ItemError | None = None
    warnings: list[ItemWarning] = []
