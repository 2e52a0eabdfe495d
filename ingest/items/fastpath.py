"""The fast path of checking: msgspec types derived from a marshmallow schema, which decode a whole block at once.

A type so derived is one of the kind's own items: what the decoder makes of a block is what will be written.

What it takes, marshmallow would take with an equal value; whatever it does not take goes to marshmallow, so that every
verdict against an item, and every message, is marshmallow's. A schema that it cannot express it leaves alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import filterfalse
from typing import Any, NamedTuple

import msgspec

from ingest import faultpoints, json_screen
from ingest.items.fields import parse_timestamp
from ingest.items.schema import DEEPEST

# A string that holds U+0000 must be written so (RFC 8259 section 7); marshmallow tells whether it really is one.
_NUL = b"\\u0000"

# Items are joined and decoded by so many at a time: their text stays in the processor's cache, and in memory that the
# process has touched before. Joined at once, 9,000 small items take a fifth longer.
_MANY = 500

# And by so many if the fast path does not take one of those.
_FEW = 8


class Test(NamedTuple):
    """A question that no type asks, of a value that the rules' type has decoded.

    Attributes:
        value: returns the value; None stands for one that is absent.
        holds: asks it.
        plain: as of `ingest.items.types.fast.Fast`.
    """

    value: Callable[[Any], Any]
    holds: Callable[[Any], object]
    plain: Callable[[Any], object] | None

    def passes(self, ruled: Iterable[Any]) -> bool:
        """True if the values of all of these hold. A loop in Python would cost as much as the questions themselves."""
        values: Iterable[Any] = [value for value in map(self.value, ruled) if value is not None]
        if self.plain is not None:
            values = filterfalse(self.plain, values)
        return all(map(self.holds, values))


# The questions for each type that the rules' decoder may make.
Tests = Mapping[type, Sequence[Test]]


class FastPath:
    """Checks items by decoders alone.

    Args:
        item: the type of an item; its timestamps are still text.
        rules: the type that holds an item to the template; None where the other says it all.
        tests: what that type does not say.
        timestamps: the attributes that are timestamps.
        most_bytes: of an item; longer ones are marshmallow's to refuse.
        left_out: the names of the template whose items marshmallow checks one by one, each with the field that is why.
    """

    def __init__(
        self,
        item: Any,
        rules: Any | None,
        *,
        tests: Tests,
        timestamps: tuple[str, ...],
        most_bytes: int,
        left_out: Mapping[str, str],
    ) -> None:
        self._items = msgspec.json.Decoder(list[item]).decode
        self._item = msgspec.json.Decoder(item).decode
        self._rules = None if rules is None else msgspec.json.Decoder(list[rules]).decode  # type: ignore[valid-type] # made at run time
        self._rule = None if rules is None else msgspec.json.Decoder(rules).decode
        self._tests = tests
        self._timestamps = timestamps
        self._most_bytes = most_bytes
        self.left_out = left_out

    def check(self, texts: list[msgspec.Raw]) -> list[Any]:
        """Give the verdict on good items.

        Args:
            texts: items as they were sent.

        Returns:
            An item each; None for those that marshmallow must look at.
        """
        return [
            item for start in range(0, len(texts), _MANY) for item in self._check_many(texts[start : start + _MANY])
        ]

    def _check_many(self, texts: list[msgspec.Raw]) -> list[Any]:
        whole = _joined(texts)
        faultpoints.meeting(msgspec.Raw(whole))
        longest = max(map(len, texts))
        if longest > self._most_bytes or not _is_harmless(whole, longest, texts):
            return [self._take_one(text) if self._is_harmless(text) else None for text in texts]
        items = self._take_all(whole)
        return items if items is not None else self._take_most(texts)

    def _is_harmless(self, text: msgspec.Raw) -> bool:
        return len(text) <= self._most_bytes and _is_harmless(bytes(text), len(text), [text])

    def _take_most(self, texts: list[msgspec.Raw]) -> list[Any]:
        """Return an item each, or None. Some are not for the fast path, so take those beside them one by one."""
        items: list[Any] = []
        for start in range(0, len(texts), _FEW):
            few = texts[start : start + _FEW]
            taken = self._take_all(_joined(few))
            items += map(self._take_one, few) if taken is None else taken
        return items

    def _take_all(self, whole: bytes) -> list[Any] | None:
        """Return all of the items, or None where any of them is not for the fast path."""
        try:
            ruled = [] if self._rules is None else self._rules(whole)
            items: list[Any] = self._items(whole)
        except (msgspec.DecodeError, RecursionError):
            return None
        return items if self._passes(ruled) and self._parse_timestamps(items) else None

    def _take_one(self, text: msgspec.Raw) -> Any | None:
        try:
            ruled = [] if self._rule is None else [self._rule(text)]
            item = self._item(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        return item if self._passes(ruled) and self._parse_timestamps([item]) else None

    def _passes(self, ruled: Sequence[Any]) -> bool:
        if not self._tests:
            return True
        types = {*map(type, ruled)}
        for made in types:
            of_type = ruled if len(types) == 1 else [rules for rules in ruled if type(rules) is made]
            if not all(test.passes(of_type) for test in self._tests[made]):
                return False
        return True

    def _parse_timestamps(self, items: list[Any]) -> bool:
        """Replace the text of timestamps by their values. Return False if any is no timestamp."""
        for attribute in self._timestamps:
            for item in [item for item in items if getattr(item, attribute) is not None]:
                timestamp = parse_timestamp(getattr(item, attribute))
                if timestamp is None:
                    return False
                msgspec.structs.force_setattr(item, attribute, timestamp)
        return True


def _joined(texts: Iterable[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _is_harmless(whole: bytes, longest: int, texts: list[msgspec.Raw]) -> bool:
    """True if the text has nothing that msgspec accepts and marshmallow might reject. One test covers a whole block."""
    if b"\\" in whole and _NUL in whole:
        return False
    if json_screen.may_grow(whole):
        return False
    # Each level takes two brackets.
    may_be_deep = longest > 2 * DEEPEST and json_screen.may_be_deep(whole)
    return not (may_be_deep and any(json_screen.is_deep(text, DEEPEST) for text in texts))
