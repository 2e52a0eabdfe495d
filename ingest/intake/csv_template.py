"""The text of an item that is made of a row of CSV, with a place for each column.

A member may be absent in one row and there in the next, so commas and braces are set last: until then marks stand for
them, which no JSON that is made or checked here holds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring

from ingest.intake.csv_header import Tree

_COMMA, _OPEN, _CLOSE, _OPEN_KEPT, END = "\x01", "\x02", "\x03", "\x04", "\x05"
_EMPTY_OBJECT = re.compile(f"{_COMMA}[^{_COMMA}-{END}]*+{_OPEN}{_CLOSE}")

MARKS = re.compile(f"[{_COMMA}-{END}]")

# The place of a column in the text of an item: a value, one between quotes, or a value with its name, or nothing.
VALUE, QUOTED, OPTIONAL = "%s", '"%s"', ""


class Template:
    """The text of the items of one header.

    Args:
        tree: the columns.
        kept: the members that are objects stand even if they are empty.
    """

    def __init__(self, tree: Tree, *, kept: bool) -> None:
        self._tree = tree
        self._kept = kept
        self._last: tuple[Sequence[str], str] = (), ""
        self.order = list(_places(tree))

    def fill(self, places: Sequence[str], members: Iterable[Sequence[str]]) -> list[bytes]:
        """Return the text of each row's item.

        Args:
            places: one a column, in their `order`.
            members: what stands there in each row, a column each.
        """
        text = END.join(map(self._with(places).__mod__, zip(*members, strict=True)))
        if OPTIONAL in places:
            text = _finished(text)
        return text.encode().split(END.encode())

    def _with(self, places: Sequence[str]) -> str:
        """Return the text of an item with a place for each column; finished, if no member can be absent.

        Args:
            places: in the order of the text.
        """
        known = self._last  # threads share it
        if known[0] == places:  # rows mostly are like those before them
            return known[1]
        members = _members(self._tree, iter(places), kept=self._kept)
        text = f"{_OPEN_KEPT}{members}{_CLOSE}"
        template = text if OPTIONAL in places else _finished(text)
        self._last = places, template
        return template


def named(member: str) -> str:
    """Return the begin of a member, before its value."""
    return f"{_COMMA}{encode_basestring(member)}:"


def _members(tree: Tree, places: Iterator[str], *, kept: bool = False) -> str:
    """Return the template of the members of an object.

    Args:
        tree: their columns.
        places: those of these columns come next.
        kept: members that are objects stand even if they are empty.
    """
    texts = []
    for member, inner in tree.items():
        name = named(member).replace("%", "%%")
        if isinstance(inner, dict):
            texts.append(f"{name}{_OPEN_KEPT if kept else _OPEN}{_members(inner, places)}{_CLOSE}")
        elif isinstance(inner, str):
            texts.append(name + encode_basestring(inner).replace("%", "%%"))
        else:
            place = next(places)
            texts.append(name + place if place else "%s")
    return "".join(texts)


def _places(tree: Tree) -> Iterator[int]:
    """Yield the columns' places in the order in which a template has them."""
    for inner in tree.values():
        if isinstance(inner, dict):
            yield from _places(inner)
        elif isinstance(inner, int):
            yield inner


def _finished(text: str) -> str:
    """Replace marks by those of JSON, and leave out objects that are empty since all their members are absent."""
    while _OPEN + _CLOSE in text:
        text = _EMPTY_OBJECT.sub("", text)
    for mark in (_OPEN, _OPEN_KEPT):
        text = text.replace(mark + _COMMA, "{").replace(mark, "{")
    return text.replace(_CLOSE, "}").replace(_COMMA, ",")
