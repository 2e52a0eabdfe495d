"""Write the error files of jobs, page by page, each read in a transaction of its own.

So a file of any size takes little memory, and no connection waits for the client that reads it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from ingest.db.connection.pool import Connection
from ingest.db.jobs import errors
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.csv_types import row_types_of_job
from ingest.engine.sealing import Sealer
from ingest.intake.csv_errors import CsvErrors
from ingest.intake.csv_header import RowTypes
from ingest.intake.csv_rows import items_of_rows
from ingest.intake.error_files import is_patched, line_of
from ingest.intake.lines import guarded
from ingest.jobs import CsvFormat, ItemError, Job

_ERRORS_A_PAGE = 1_000

Lend = Callable[[], AbstractContextManager[Connection]]


def lines(lend: Lend, job: Job, template_cache: TemplateCache, max_item_bytes: int, sealer: Sealer) -> Iterator[bytes]:
    """Yield a job's bad items as lines of JSON, each with its error.

    Args:
        lend: lends a connection, in a transaction or not, for a page.
        job: whose.
        template_cache: the template versions that this process has read.
        max_item_bytes: the setting of that name.
        sealer: of the tenant's items.

    Raises:
        SecretUnreadable: an item cannot be decrypted.
    """
    csv = job.options.csv
    types = _types(lend, job, template_cache, max_item_bytes)
    for page in _pages(lend, job, sealer):
        yield b"".join(line_of(error, error.item if csv is None else _as_json(error, csv, types)) for error in page)


def rows(lend: Lend, job: Job, template_cache: TemplateCache, max_item_bytes: int, sealer: Sealer) -> Iterator[bytes]:
    """Yield the bad rows of a job that came as CSV, below a header, each with its error.

    Args:
        lend: as of `lines`, like all else.
        job: whose.
        template_cache: likewise.
        max_item_bytes: likewise.
        sealer: likewise.

    Raises:
        SecretUnreadable: an item cannot be decrypted.
    """
    assert job.options.csv is not None  # noqa: S101 # as of the docstring
    file = CsvErrors(job.options.csv, _types(lend, job, template_cache, max_item_bytes))
    yield file.header()
    for page in _pages(lend, job, sealer):
        yield b"".join(map(file.row, page))


def _types(lend: Lend, job: Job, template_cache: TemplateCache, max_item_bytes: int) -> RowTypes | None:
    with lend() as conn:
        return row_types_of_job(conn, job, job.template_id, template_cache, max_item_bytes)


def _pages(lend: Lend, job: Job, sealer: Sealer) -> Iterator[Sequence[ItemError]]:
    after: int | None = -1
    while after is not None:
        with lend() as conn:
            page = errors.page(conn, job.id, limit=_ERRORS_A_PAGE, after=after, with_items=True)
        if page.errors:
            yield list(map(sealer.opened, page.errors))
        after = page.after


def _as_json(error: ItemError, csv: CsvFormat, types: RowTypes | None) -> bytes | None:
    """Return the item that a row of CSV makes; the row itself, which is no JSON, where it makes none."""
    if error.item is None or is_patched(error.item, patched=error.patched):
        return error.item
    made = items_of_rows(guarded(error.item) + b"\n", error.line or 1, csv, types)
    return bytes(made.texts[0]) if made.texts and not made.unreadable else error.item
