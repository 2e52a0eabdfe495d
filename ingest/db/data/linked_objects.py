"""Objects that events name: those that are new are created, and the data that come with the others are merged."""

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from ingest.db.connection.pool import Connection
from ingest.db.data import growth
from ingest.db.data.entities import upsert
from ingest.db.data.entity_lookup import resolve
from ingest.db.data.entity_repeats import overlaid
from ingest.items.entities import Entity


def ensure(
    conn: Connection, tenant_id: int, entities: Sequence[Entity], *, most_bytes: int = growth.MOST_BYTES
) -> list[int]:
    """Return the internal ids of entities. Create those that do not exist; merge the data into the others.

    Args:
        conn: an open transaction.
        tenant_id: whose.
        entities: in the order in which to merge; the same one may come several times.
        most_bytes: of an entity, to which merges may let it grow.

    Returns:
        One each, in the order given.
    """
    scopes, external_ids = [entity.scope for entity in entities], [entity.external_id for entity in entities]
    names: dict[str, set[str]] = {scope: set() for scope in set(scopes)}
    for scope, external_id in zip(scopes, external_ids, strict=True):
        names[scope].add(external_id)
    known = resolve(conn, tenant_id, names)
    missing = any(len(known[scope]) < len(named) for scope, named in names.items())
    if missing or any(map(_says_something, entities)):
        upsert(conn, tenant_id, _changing(entities, known, most_bytes), merge=True, most_bytes=most_bytes)
    if missing:
        known = resolve(conn, tenant_id, names)
    return [known[scope][external_id] for scope, external_id in zip(scopes, external_ids, strict=True)]


def _changing(entities: Sequence[Entity], known: Mapping[str, Mapping[str, int]], most_bytes: int) -> list[Entity]:
    """Return the entities to create or merge, mostly one for each, with all that is sent for it, in order."""
    merges: dict[tuple[str, str], list[Entity]] = {}
    for entity in entities:
        if _says_something(entity) or entity.external_id not in known[entity.scope]:
            merges.setdefault((entity.scope, entity.external_id), []).append(entity)
    return list(chain.from_iterable(_folded(merge, most_bytes) for merge in merges.values()))


def _folded(merges: list[Entity], most_bytes: int) -> list[Entity]:
    """Return the merges of one entity as one; as they are if one may be too large, so that the guard meets each."""
    if len(merges) == 1 or sum(len(merge.data) for merge in merges) > growth.harmless_bytes(most_bytes):
        return merges
    return [msgspec.structs.replace(merges[0], data=overlaid(merge.data for merge in merges))]


def _says_something(entity: Entity) -> bool:
    """True if merging this entity may change a stored one."""
    return len(entity.data) > len(b"{}")
