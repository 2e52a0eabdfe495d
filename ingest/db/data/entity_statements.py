"""The statements that upsert entities: to replace them, or to merge into them; with personal data, or without."""

from typing import LiteralString, NamedTuple

from ingest.db.bulk.upsert import differs, with_counts
from ingest.db.data import growth, pii
from ingest.db.data.pii import Personal

# Rows that say the same already are not written, and not returned. A deleted one comes back as if new.
_UPSERT: LiteralString = """
INSERT INTO entities AS e (public_id, tenant_id, scope, external_id, type, properties{more})
SELECT i.public_id, %(tenant_id)s, i.scope, i.external_id, i.type, i.properties{more}
FROM unnest(%(public_ids)b::uuid[], %(scopes)b::text[], %(external_ids)b::text[], %(types)b::text[],
            %(properties)b::jsonb[]{arrays}) AS i (public_id, scope, external_id, type, properties{more})
ON CONFLICT ON CONSTRAINT entities_external_id_key DO UPDATE
SET type = excluded.type, properties = {new}, pii = {pii}, pii_digests = {pii_digests},
    updated_at = now(), deleted_at = NULL,
    revision = CASE WHEN e.deleted_at IS NULL THEN e.revision + 1 ELSE 0 END,
    created_at = CASE WHEN e.deleted_at IS NULL THEN e.created_at ELSE now() END
WHERE (e.deleted_at IS NOT NULL OR e.type <> excluded.type OR {differs} OR {pii_differs}){guard}
RETURNING e.scope AS first, e.external_id AS second, e.revision = 0 AS created
"""


def _upserting(new: LiteralString, personal: Personal, guard: LiteralString = "") -> LiteralString:
    """Return the statement that gives a row that is there these properties."""
    return with_counts(
        _UPSERT.format(
            new=new,
            differs=differs("e.properties", new),
            pii=personal.pii,
            pii_digests=personal.digests,
            pii_differs=personal.differs,
            more=personal.columns,
            arrays=personal.arrays,
            guard=guard,
        )
    )


def _merging(new: LiteralString, personal: Personal) -> LiteralString:
    guard: LiteralString = f" AND {growth.guard('e.properties', 'excluded.properties', new)}"
    return _upserting(new, personal, guard + personal.guard)


# Top level only: a null inside of a value is data. Taken only where a block has nulls, since it costs 29 %.
_WITHOUT_SENT_NULLS: LiteralString = (
    "({new} - ARRAY(SELECT key FROM jsonb_each(excluded.properties) WHERE value = 'null'))"
)


class Statements(NamedTuple):
    """The upserts that replace, that merge, and that merge data with nulls."""

    replacing: LiteralString
    merging: LiteralString
    merging_nulls: LiteralString

    def of(self, *, merge: bool, nulls: bool) -> LiteralString:
        """Return the one that replaces or merges entities, of which some have nulls or none has."""
        if not merge:
            return self.replacing
        return self.merging_nulls if nulls else self.merging


def _statements(kept: LiteralString, replaced: Personal, merged: Personal) -> Statements:
    """Return the statements for rows of one sort.

    Args:
        kept: the properties that a merge goes on with.
        replaced: the personal data of a row that is replaced.
        merged: those of one that is merged.
    """
    new: LiteralString = f"({kept} || excluded.properties)"
    return Statements(
        _upserting("excluded.properties", replaced),
        _merging(new, merged),
        _merging(_WITHOUT_SENT_NULLS.format(new=new), merged),
    )


PLAIN = _statements("e.properties", pii.CLEARED, pii.UNCOVERED)
PROTECTED = _statements(pii.COVERED_PROPERTIES, pii.REPLACED, pii.MERGED)
