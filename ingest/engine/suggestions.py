"""Suggest what an item that failed may have meant: a name or a value that is near to a known one. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ingest.engine.cells import Path, shown
from ingest.items.schema import Vocabulary
from ingest.items.templates import TypeRules
from ingest.nearest import nearest


class Suggestion(NamedTuple):
    """A correction that people are offered.

    Attributes:
        path: of the member.
        name: the member's right name, if that is what is wrong.
        value: the right value otherwise.
        sent: the wrong one.
    """

    path: Path
    name: str | None
    value: str | None
    sent: str


def suggestions(
    cells: Mapping[Path, bytes], document: str | None, vocabulary: Vocabulary | None, rules: TypeRules | None
) -> Iterator[Suggestion]:
    """Yield what an item may have meant.

    Args:
        cells: its values.
        document: the member that has the fields of its type.
        vocabulary: the names that its type, or its key, may have.
        rules: those of its type; None where its type is unknown.
    """
    if vocabulary is not None and rules is None:
        yield from _near_value((vocabulary.member,), cells, vocabulary.names)
    if rules is None:
        return
    present = [path[-1] for path in cells if len(path) > 1 and path[0] == document]
    missing = [name for name in rules.listed if name not in present]
    for name in present:
        if name not in rules.listed and (near := nearest(name, missing)) is not None:
            yield Suggestion((str(document), name), near, None, name)
    for name, definition in rules.fields.items():
        yield from _near_value((str(document), name), cells, _texts(definition))
    if rules.value is not None:
        yield from _near_value(("value",), cells, _texts(rules.value))


def _near_value(path: Path, cells: Mapping[Path, bytes], known: Collection[str]) -> Iterator[Suggestion]:
    sent = shown(cells.get(path))
    if sent and sent not in known and (near := nearest(sent, known)) is not None:
        yield Suggestion(path, None, near, sent)


def _texts(definition: Any) -> list[str]:
    """Return the texts that a field may be one of; none where it may be others."""
    values = definition.get("enum", []) if isinstance(definition, Mapping) else []
    return values if all(isinstance(value, str) for value in values) else []
