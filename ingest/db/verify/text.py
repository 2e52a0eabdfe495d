"""Invariants of stored JSON: all of it can be read back, and dumped.

Postgres keeps `1e999` as a few bytes and writes it out as a thousand digits, and fails at texts of a gigabyte. Items
are bounded by what they read back as (docs/contracts/jobs.md section 1); those of earlier versions were not.
"""

from typing import LiteralString

from ingest.db.verify.check import Check
from ingest.ids import ENTITY, EVENT

# Four times what an item may read back as at most, whatever the settings.
_MOST_BYTES = 64 * 1024**2

# A number takes 12 bytes or more and reads back as 1,004, and Postgres compresses to a hundredth at best, or to a 250th
# with lz4. So a value that is stored in fewer bytes than this cannot be too large, and is not looked at.
_HARMLESS_BYTES = _MOST_BYTES // 84 // 250

_ADVICE = (
    "Only a version of Sluice that did not bound items can have stored them. Reading them takes much memory or fails, "
    "and so may a backup by pg_dump: delete these rows, or replace what they hold by something smaller"
)


def _too_large(value: LiteralString) -> LiteralString:
    """Return a condition: the numbers of a jsonb value have too many digits, summed one by one to fit memory."""
    return f"""pg_column_size({value}) > {_HARMLESS_BYTES} AND (
    SELECT sum(octet_length(n::text)) FROM jsonb_path_query({value}, 'strict $.** ? (@.type() == "number")') n
) > {_MOST_BYTES}"""


ENTITIES = Check(
    name="entity_readable",
    invariant="The data of every entity can be read back",
    wrong="entities whose numbers read back as too many digits",
    advice=_ADVICE,
    prefix=ENTITY,
    query=f"""
SELECT e.public_id, concat('entities.id ', e.id, ', ', pg_column_size(e.properties), ' bytes as stored')
FROM entities e WHERE {_too_large("e.properties")}
""",
)

EVENTS = Check(
    name="event_readable",
    invariant="The data of every event can be read back",
    wrong="events whose numbers read back as too many digits",
    advice=_ADVICE,
    prefix=EVENT,
    query=f"""
SELECT v.public_id, concat('events.id ', v.id, ', ', pg_column_size(v.properties), ' bytes as stored')
FROM events v WHERE {_too_large("v.properties")}
""",
)

STATES = Check(
    name="state_readable",
    invariant="The value of every state can be read back",
    wrong="states whose numbers read back as too many digits",
    advice=_ADVICE,
    prefix=ENTITY,
    query=f"""
SELECT e.public_id, concat('states.entity_id ', s.entity_id, ', key ', s.key, ', ', pg_column_size(s.value),
                           ' bytes as stored')
FROM states s LEFT JOIN entities e ON e.id = s.entity_id WHERE {_too_large("s.value")}
""",
)

CHECKS = (ENTITIES, EVENTS, STATES)
