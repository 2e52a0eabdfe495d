"""Encrypt what is stored under the first master key, in bounded steps beside traffic, and count what is under which.

KINDS has a line for each kind of thing that is stored encrypted. Each step is a transaction of its own: whoever stops
in between, by whatever means, goes on with what is left.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from ingest import json_text
from ingest.crypto import MasterKeys
from ingest.db.bulk.pages import pages_of
from ingest.db.connection.errors import translated
from ingest.db.connection.pool import Connection
from ingest.db.data import resealing as of_entities
from ingest.db.data.resealing import Called, Held, Resealed
from ingest.db.jobs import digests
from ingest.db.jobs import resealing as of_items
from ingest.db.jobs.digests import Digest
from ingest.db.tenants.idempotency import Key
from ingest.db.webhooks import resealing as of_secrets
from ingest.engine import sealed_digests, webhooks
from ingest.engine.sealing import CONTEXTS, PURPOSE
from ingest.errors import SecretUnreadable, TryAgain
from ingest.items import personal

# Pages of a table, of 8 kB each, that a step reads.
_PAGES_COUNTED = 1_024
_PAGES_ROTATED = 64

_DIGESTS_A_TRANSACTION = 500

# A transaction that meets a deadlock, or waits too long for a lock, is tried so often; then the rotation ends with that
# error.
_TRIES = 3

_Result = TypeVar("_Result")

# The id under which values count that are in the clear, though a template calls them personal data.
IN_THE_CLEAR = ""


class Step(NamedTuple):
    """The result of a step: how many things it has encrypted anew, and how many it could not decrypt."""

    changed: int = 0
    unreadable: int = 0

    def plus(self, other: "Step") -> "Step":
        """Return the result of both."""
        return Step(self.changed + other.changed, self.unreadable + other.unreadable)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of things that are stored encrypted.

    Attributes:
        name: as it is shown.
        table: that holds them.
        count: how many there are under each master key, of a range of pages: the first one, and how many.
        rotate: encrypts those of a range of pages under the first master key, in transactions of its own.
    """

    name: str
    table: str
    count: Callable[[Connection, Called, int, int], Mapping[str, int]]
    rotate: Callable[[Connection, Called, MasterKeys, int, int], Step]


class Progress(NamedTuple):
    """The place that a rotation has come to.

    Attributes:
        kind: of what it works on.
        done: of its pages.
        pages: of its table.
        step: what has happened to that kind so far.
    """

    kind: str
    done: int
    pages: int
    step: Step


def count(conn: Connection) -> dict[str, Counter[str]]:
    """Return how many things of each kind are under which master key, by the names of kinds and the ids of keys.

    Args:
        conn: with no transaction open.
    """
    with translated(), conn.transaction():
        called = of_entities.called_personal(conn)
    found: dict[str, Counter[str]] = {}
    for kind in KINDS:
        counts = found.setdefault(kind.name, Counter())
        with translated(), conn.transaction():
            pages = pages_of(conn, kind.table)
        for first in range(0, pages, _PAGES_COUNTED):
            with translated(), conn.transaction():
                counts.update(kind.count(conn, called, first, _PAGES_COUNTED))
    return found


def rotate(conn: Connection, keys: MasterKeys) -> Iterator[Progress]:
    """Encrypt everything under the first master key; yield after each step.

    A kind is gone through again until nothing of it is left, since others write meanwhile.

    Args:
        conn: with no transaction open.
        keys: of this installation; the former ones decrypt.

    Raises:
        MasterKeyMissing: there is no key.
    """
    keys.require()
    with translated(), conn.transaction():
        called = of_entities.called_personal(conn)
    for kind in KINDS:
        changed, passed = 0, None
        while passed is None or passed.changed:
            passed = Step()
            with translated(), conn.transaction():
                pages = pages_of(conn, kind.table)
            for first in range(0, pages, _PAGES_ROTATED):
                passed = passed.plus(kind.rotate(conn, called, keys, first, _PAGES_ROTATED))
                so_far = Step(changed + passed.changed, passed.unreadable)
                yield Progress(kind.name, min(first + _PAGES_ROTATED, pages), pages, so_far)
            changed += passed.changed


def _patiently(conn: Connection, work: Callable[[], _Result]) -> _Result:
    """Return the result of work in a transaction, which is tried again where that may pass then."""
    for _ in range(_TRIES - 1):
        with suppress(TryAgain), translated(), conn.transaction():
            return work()
    with translated(), conn.transaction():
        return work()


def _rotate_entities(conn: Connection, called: Called, keys: MasterKeys, first: int, pages: int) -> Step:
    kid, done = next(iter(keys.keys)), Step()
    for part in _patiently(conn, lambda: of_entities.find(conn, called, kid, first=first, pages=pages)):
        done = done.plus(_patiently(conn, partial(_rotate_part, conn, called, keys, part)))
    return done


def _rotate_part(conn: Connection, called: Called, keys: MasterKeys, part: Sequence[int]) -> Step:
    resealed: list[Resealed] = []
    unreadable = 0
    for held in of_entities.lock(conn, part):
        try:
            new = _resealed(held, called, keys)
        except SecretUnreadable:
            unreadable += 1
            continue
        if new is not None:
            resealed.append(new)
    of_entities.write(conn, resealed)
    return Step(len(resealed), unreadable)


def _resealed(held: Held, called: Called, keys: MasterKeys) -> Resealed | None:
    """Return an entity as it is to be written; None where a writer has taken its personal data away meanwhile."""
    fields = called.get(held.tenant_id, {}).get(held.type, ())
    members = json_text.split_object(held.properties.encode())
    opened = {} if held.pii is None else personal.opened(keys, held.tenant_id, held.external_id, held.pii)
    # A process of before that wrote meanwhile has left a newer value in the clear.
    opened |= {field: members.pop(field) for field in fields if field in members}
    if not opened:
        return None
    pii, digests = personal.sealed(keys, held.tenant_id, held.external_id, opened)
    return Resealed(held.id, msgspec.json.encode(members), pii, digests)


def _secrets_of(name: str, table: str) -> Kind:
    """Return the kind of the secrets in a table."""

    def count_secrets(conn: Connection, _called: Called, first: int, pages: int) -> Mapping[str, int]:
        return of_secrets.count(conn, table, first=first, pages=pages)

    def rotate_secrets(conn: Connection, _called: Called, keys: MasterKeys, first: int, pages: int) -> Step:
        kid = next(iter(keys.keys))

        def work() -> Step:
            changed = unreadable = 0
            for secret in of_secrets.find(conn, table, kid, first=first, pages=pages):
                try:
                    new = webhooks.resealed(keys, secret.tenant_id, secret.secret)
                except SecretUnreadable:
                    unreadable += 1
                else:
                    changed += of_secrets.write(conn, secret, new)
            return Step(changed, unreadable)

        return _patiently(conn, work)

    return Kind(name, table, count_secrets, rotate_secrets)


def _items_of(name: str, table: str) -> Kind:
    """Return the kind of what tenants with personal data send: payloads of blocks, or items that failed, or edits."""
    context = CONTEXTS[table]

    def count_items(conn: Connection, called: Called, first: int, pages: int) -> Mapping[str, int]:
        return of_items.count(conn, table, called, first=first, pages=pages)

    def rotate_items(conn: Connection, called: Called, keys: MasterKeys, first: int, pages: int) -> Step:
        kid, most, done = next(iter(keys.keys)), of_items.A_TRANSACTION[table], Step()
        places = _patiently(conn, lambda: of_items.find(conn, table, called, kid, first=first, pages=pages))
        for start in range(0, len(places), most):
            done = done.plus(_patiently(conn, partial(rotate_some, conn, keys, places[start : start + most])))
        return done

    def rotate_some(conn: Connection, keys: MasterKeys, places: Sequence[tuple[UUID, int]]) -> Step:
        changed = unreadable = 0
        for item in of_items.lock(conn, table, places):
            cipher = keys.cipher(item.tenant_id, PURPOSE)
            try:
                plain = item.value if item.in_the_clear else cipher.open(item.value, context)
            except SecretUnreadable:
                unreadable += 1
            else:
                of_items.write(conn, table, item, cipher.seal(plain, context))
                changed += 1
        return Step(changed, unreadable)

    return Kind(name, table, count_items, rotate_items)


def _digests_of(name: str, table: str, place: Callable[[Digest], bytes]) -> Kind:
    """Return the kind of digests of what tenants with personal data send; `place` returns the place of each."""

    def count_digests(conn: Connection, called: Called, first: int, pages: int) -> Mapping[str, int]:
        return digests.count(conn, table, called, first=first, pages=pages)

    def rotate_digests(conn: Connection, called: Called, keys: MasterKeys, first: int, pages: int) -> Step:
        kid, done = next(iter(keys.keys)), Step()
        found = _patiently(conn, lambda: digests.find(conn, table, called, kid, first=first, pages=pages))
        for start in range(0, len(found), _DIGESTS_A_TRANSACTION):
            some = found[start : start + _DIGESTS_A_TRANSACTION]
            done = done.plus(_patiently(conn, partial(rotate_some, conn, keys, some)))
        return done

    def rotate_some(conn: Connection, keys: MasterKeys, found: Sequence[Digest]) -> Step:
        changed = unreadable = 0
        for digest in found:
            try:
                new = sealed_digests.reseal(keys, digest.tenant_id, digest.digest, place(digest))
            except SecretUnreadable:
                unreadable += 1
            else:
                changed += digests.write(conn, table, digest, new)
        return Step(changed, unreadable)

    return Kind(name, table, count_digests, rotate_digests)


KINDS = (
    Kind(
        "personal data of entities",
        of_entities.TABLE,
        lambda conn, called, first, pages: of_entities.count(conn, called, first=first, pages=pages),
        _rotate_entities,
    ),
    _secrets_of("secrets of webhooks", "webhooks"),
    _secrets_of("secrets of callbacks of open jobs", "jobs"),
    _items_of("payloads of batches", of_items.BLOCKS),
    _items_of("items that failed", of_items.ERRORS),
    _items_of("edits of items that failed", of_items.DRAFTS),
    _digests_of(
        "fingerprints of requests",
        digests.KEYS,
        lambda of: sealed_digests.place_of_request(Key(of.tenant_id, of.endpoint, of.key_hash)),
    ),
    _digests_of("digests of parts", digests.PARTS, lambda of: sealed_digests.place_of_part(of.upload_id, of.part)),
)
