"""Run a trial: judge the rows that a tenant has stored by a schema, a page a transaction, and change nothing."""

import sys
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ingest import faultpoints, json_text
from ingest.crypto import NO_KEYS, MasterKeys
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.data import stored
from ingest.db.data.stored import Page, Place, StoredRow
from ingest.db.jobs import blocks, item_errors, item_warnings, trials
from ingest.db.jobs.claims import Claim
from ingest.engine import quarantine
from ingest.engine.checking import fast_path, poisoned
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.transaction import Done, JobEnded
from ingest.errors import JobUnrunnable, SecretUnreadable
from ingest.ids import EVENT, spell
from ingest.items import personal
from ingest.items.schema import ItemSchema
from ingest.items.templates import Template
from ingest.jobs import MOST_TRIAL_ERRORS_KEPT, ItemError, ItemWarning, JobState

# The members of an item that hold a row's name and its document.
_MEMBERS = {"entities": ("entityType", "data"), "events": ("eventType", "data"), "states": ("stateKey", "value")}


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload of a trial's block.

    Attributes:
        place: of the next row.
        judged: how many rows are before it: the index of the next one.
        kept: how many errors of rows of this kind are kept.
    """

    place: Place = Place()
    judged: int = 0
    kept: int = 0


BEGINNING = msgspec.json.encode(Progress())


def run_step(
    conn: Connection,
    claimed: Claim,
    template: Template,
    poison: Collection[bytes] = (),
    *,
    keys: MasterKeys = NO_KEYS,
) -> Done | None:
    """Lock the trial, judge a page of rows, record what would not pass, and move on, in the caller's transaction.

    Args:
        conn: in a transaction of this alone.
        claimed: the trial and its block.
        template: to judge by.
        poison: texts of rows that must not be checked: each is an error.
        keys: the master keys of this process, which decrypt personal data.

    Returns:
        None if another worker holds the trial or has ended it.

    Raises:
        JobEnded: it was ended meanwhile, so the transaction must be rolled back.
        JobUnrunnable: its place cannot be read; likewise.
    """
    job = claimed.job
    payload = trials.lock(conn, job.id)
    if payload is None:
        return None
    faultpoints.passing("block.locked")
    blocks.extend_lease(conn, claimed.block.deliveries)
    progress, page = _next_page(conn, job.tenant_id, _read(payload))
    kind, rows = progress.place.kind, _opened(page.rows, keys, job.tenant_id)
    errors, warnings = _judge(_schema(_covering(template, rows), kind), kind, rows, progress.judged, poison)
    faultpoints.passing("block.checked")
    kept = errors[: MOST_TRIAL_ERRORS_KEPT - progress.kept]
    item_errors.record(conn, job.tenant_id, [(job.id, error) for error in kept])
    faultpoints.passing("block.written")
    following = None
    if page.next_place is not None:
        same = page.next_place.kind == kind
        after = Progress(page.next_place, progress.judged + len(rows), progress.kept + len(kept) if same else 0)
        following = msgspec.json.encode(after)
    state = trials.advance(conn, job.id, passed=len(rows) - len(errors), failed=len(errors), place=following)
    if state is None:
        raise JobEnded
    item_warnings.record(conn, {job.id: warnings})
    faultpoints.passing("block.closed")
    return Done({job.id: state}, yielded=state is JobState.PROCESSING)


def poisonous(conn: Connection, claimed: Claim, template: Template, keys: MasterKeys = NO_KEYS) -> set[bytes]:
    """Return the texts of rows of the next page whose check ends the process that does it.

    Args:
        conn: in no transaction.
        claimed: as of `run_step`; likewise `template` and `keys`.
        template: likewise.
        keys: likewise.
    """
    with translated(), conn.transaction():
        progress, page = _next_page(conn, claimed.job.tenant_id, _read(claimed.block.payload))
    texts = _texts(progress.place.kind, _opened(page.rows, keys, claimed.job.tenant_id))
    check = _schema(template, progress.place.kind).check
    return {bytes(texts[place]) for place in quarantine.poisonous(check, list(enumerate(texts)))}


class _Row(NamedTuple):
    """A row to judge.

    Attributes:
        row: its document holds personal data too.
        hidden: the fields of its document that no message may quote.
        unreadable: why its personal data cannot be decrypted.
    """

    row: StoredRow
    hidden: Collection[str] = ()
    unreadable: str | None = None


def _opened(rows: Collection[StoredRow], keys: MasterKeys, tenant_id: int) -> list[_Row]:
    return [_Row(row) if row.pii is None else _opened_row(row, row.pii, keys, tenant_id) for row in rows]


def _opened_row(row: StoredRow, pii: str, keys: MasterKeys, tenant_id: int) -> _Row:
    try:
        hidden = personal.opened(keys, tenant_id, row.external_id, pii)
    except SecretUnreadable as error:
        return _Row(row, unreadable=error.message)
    document = _ENCODE(hidden | json_text.split_object(row.document.encode()))
    return _Row(row._replace(document=document.decode()), tuple(hidden))


def _covering(template: Template, rows: Collection[_Row]) -> Template:
    """Return a template that calls personal data what is stored as such: errors keep their messages in the clear."""
    hidden: dict[str, set[str]] = {}
    for found, fields, _ in rows:
        if fields:
            hidden.setdefault(found.name, set()).update(fields)
    return _calling(template, frozenset((name, frozenset(fields)) for name, fields in hidden.items()))


# One template for all pages that hide the same: schemas and fast paths are kept by the template itself.
@lru_cache(maxsize=100)
def _calling(template: Template, hidden: Collection[tuple[str, Collection[str]]]) -> Template:
    """Return a template that calls these fields of types personal data too; the template itself if it does."""
    fields = {name: dict.fromkeys(of_type) for name, of_type in template.pii_fields.items()}
    for name, of_type in hidden:
        fields.setdefault(name, {}).update(dict.fromkeys(sorted(of_type)))
    called = {name: tuple(of_type) for name, of_type in fields.items()}
    return template if called == template.pii_fields else replace(template, pii_fields=called)


def _read(payload: bytes) -> Progress:
    try:
        return msgspec.json.decode(payload, type=Progress)
    except msgspec.MsgspecError:
        raise JobUnrunnable("The place that the check had come to cannot be read") from None


def _next_page(conn: Connection, tenant_id: int, progress: Progress) -> tuple[Progress, Page]:
    """Return the next rows; where a kind has none left, those of the next kind, which a transaction more would cost."""
    page = stored.page(conn, tenant_id, progress.place)
    while page.next_place is not None and page.next_place.kind != progress.place.kind:
        progress = Progress(page.next_place, progress.judged)
        page = stored.page(conn, tenant_id, progress.place)
    return progress, page


def _schema(template: Template, kind: str) -> ItemSchema:
    # A row that was taken has no size that could be wrong: merges may have let it grow beyond that of an item.
    return schema_of(KINDS[kind], template, sys.maxsize)


def _texts(kind: str, rows: Collection[_Row]) -> list[msgspec.Raw]:
    """Return rows as the items that a client would send to have them."""
    name, document = _MEMBERS[kind]
    return [
        msgspec.Raw(
            _ENCODE({"externalId": row.external_id, name: row.name, document: msgspec.Raw(row.document.encode())})
        )
        for row, *_ in rows
    ]


_ENCODE = msgspec.json.Encoder().encode


def _judge(
    schema: ItemSchema, kind: str, rows: list[_Row], first: int, poison: Collection[bytes]
) -> tuple[list[ItemError], list[ItemWarning]]:
    """Return an error for each row that would not pass, and warnings of the others; both say which row it is."""
    texts = _texts(kind, rows)
    fast = fast_path(schema)
    items = [None] * len(texts) if fast is None or poison else fast.check(texts)
    errors: list[ItemError] = []
    warnings: list[ItemWarning] = []
    for place in [place for place, item in enumerate(items) if item is None or rows[place].unreadable is not None]:
        (row, _, unreadable), index, found = rows[place], first + place, list[ItemWarning]()
        if unreadable is not None:
            judged = ItemError(index, None, SecretUnreadable.code, unreadable)
        elif bytes(texts[place]) in poison:
            judged = poisoned(index)
        else:
            judged = schema.check(index, texts[place], found)
        told = f"{_called(kind, row)}: "
        if isinstance(judged, ItemError):
            errors.append(replace(judged, external_id=row.external_id, message=told + judged.message))
        warnings += [replace(warning, message=told + warning.message) for warning in found]
    return errors, warnings


def _called(kind: str, row: StoredRow) -> str:
    """Return a row's name in messages; groups of errors leave out what is quoted, so that rows are alike."""
    if kind == "entities":
        return f'Entity "{row.external_id}"'
    if row.public_id is None:
        return f'State {row.name} of "{row.external_id}"'
    return f'Event "{spell(EVENT, row.public_id)}" of "{row.external_id}"'
