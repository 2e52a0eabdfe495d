"""A file that arrives, cut into the blocks of a job as a person has said, by the code of the intake."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from msgspec import structs

from app.console.load.looks import ARRAY, CSV, coding_of
from app.console.load.plan import Plan
from app.http.arrival import in_time, place
from app.http.services import services
from app.stores import Store, received, touching
from ingest.db.jobs import receiving
from ingest.db.jobs.acceptance import NewJob
from ingest.engine.kinds import KINDS
from ingest.errors import InvalidInput
from ingest.intake import codings
from ingest.intake.array_lines import lines_of_array
from ingest.intake.blocks import blocks_of_lines, blocks_of_rows
from ingest.intake.csv_header import judge, read_header, row_bytes
from ingest.intake.lines import without_mark
from ingest.intake.mapped import Reading, in_utf8, mapped, titles_of
from ingest.items.schema import required_members


def store_of(plan: Plan, reading: Reading | None, file: Iterator[bytes]) -> Store:
    """Return a function that stores a job whose items are those of a file, while it arrives; it is called once.

    Args:
        plan: what is said of the file.
        reading: the way to read its cells; None: it is no CSV.
        file: as the browser sends it.

    Raises:
        InvalidInput: by the function: the file has another header than the sample that was looked at; and all that
            `app.stores.received` and the intake raise.
    """

    def store(job: NewJob) -> bool:
        longest = services().settings.max_item_bytes
        with place():
            text = touching(_text(plan, file), lambda conn: receiving.touch(conn, job.id))
            if plan.form != CSV or reading is None:
                lines = lines_of_array(text, longest=longest) if plan.form == ARRAY else text
                return received(job, blocks_of_lines(lines, longest_line=longest))
            sent = read_header(text, plan.delimiter, longest=longest)
            if titles_of(sent.text, plan.delimiter) != list(plan.titles):
                raise InvalidInput("The file has other columns than those that were looked at; look at it again")
            header = mapped(sent, reading, plan.delimiter, longest=longest)
            wishes = job.options.csv
            assert wishes is not None  # noqa: S101 # the caller has said that it is CSV
            csv = judge(wishes, header.text, required_members(KINDS[job.kind].schema))
            rows = blocks_of_rows(
                header.rows, csv.delimiter, longest=longest, first_line=header.first_line, row_bytes=row_bytes(csv)
            )
            return received(replace(job, options=structs.replace(job.options, csv=csv)), rows)

    return store


def _text(plan: Plan, file: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a file in UTF-8, without its coding, which its first bytes tell."""
    first = next(file, b"")
    whole = chain([first], file)
    decoded = codings.decoded(whole, coding_of(first), most_bytes=services().settings.max_job_bytes)
    return in_utf8(without_mark(in_time(decoded)) if plan.encoding == "utf-8" else in_time(decoded), plan.encoding)
