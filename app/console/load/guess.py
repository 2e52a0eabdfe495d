"""Guess which column fills which field, by their names. Pure."""

import re
from collections.abc import Mapping, Sequence

from app.console.load.fields import Field
from ingest.items.schema import Vocabulary
from ingest.nearest import nearest

_NO_LETTER = re.compile(r"[^0-9a-z]+")

# Usual names of columns for the members of items, as `_plain` makes them.
_USUAL: Mapping[str, Sequence[str]] = {
    "externalId": (
        "externalid",
        "id",
        "extid",
        "ref",
        "reference",
        "key",
        "customerid",
        "userid",
        "playerid",
        "number",
    ),
    "timestamp": ("timestamp", "time", "date", "datetime", "occurredat", "createdat", "when"),
    "eventId": ("eventid", "eventno"),
    "entityType": ("entitytype", "type"),
    "eventType": ("eventtype", "type", "event"),
    "stateKey": ("statekey", "key", "state"),
}


def guess(fields: Sequence[Field], titles: Sequence[str], saved: Mapping[str, str] | None = None) -> dict[str, int]:
    """Return the places of columns by the titles of the fields that they seem to fill, each once.

    Args:
        fields: those that can be filled.
        titles: of the columns.
        saved: a mapping that was saved: titles of columns by those of fields; it wins.
    """
    places = {title: place for place, title in reversed(list(enumerate(titles)))}
    found = {field: places[column] for field, column in (saved or {}).items() if column in places}
    if saved is not None:
        return found
    plain = {_plain(title): place for title, place in places.items()}
    for field in fields:
        names = [_plain(field.name), *_USUAL.get(field.title, ())]
        place = next((plain[name] for name in names if name in plain and plain[name] not in found.values()), None)
        if place is not None:
            found[field.title] = place
    for field in fields:
        left = [title for title, place in plain.items() if place not in found.values()]
        if field.title not in found and (near := nearest(_plain(field.name), left)) is not None:
            found[field.title] = plain[near]
    return found


def likely_type(vocabulary: Vocabulary, titles: Sequence[str]) -> str:
    """Return the type, or key, of all rows, as titles of columns tell it; empty if none does, or a column has it.

    Args:
        vocabulary: the types that there are.
        titles: of the columns.
    """
    names, plain = list(vocabulary.names), {_plain(title) for title in titles}
    if len(names) == 1:
        return names[0]
    if not plain.isdisjoint((_plain(vocabulary.member), *_USUAL.get(vocabulary.member, ()))):
        return ""
    found = {name: sum(_plain(field) in plain for field in rules.listed) for name, rules in vocabulary.names.items()}
    most = max(found.values(), default=0)
    likely = [name for name, count in found.items() if count == most]
    return likely[0] if most and len(likely) == 1 else ""


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())
