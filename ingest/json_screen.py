"""Screens of JSON texts: for depth, U+0000, halves of surrogate pairs, and numbers that are long as read back.

`may_be_deep` and `may_grow` are cheap enough for a whole block: almost no block has anything of the kind, and then its
items are not looked at one by one.

jsonb keeps `1e999` as a thousand digits. An exponent beyond 999 is refused wherever it stands. Many smaller ones are
refused where the item that holds them would read back as far more text than was sent (docs/contracts/jobs.md
section 1).
"""

import re
from collections import Counter
from itertools import accumulate, islice

import msgspec

from ingest.json_cuts import STEPS, STRINGS, STRINGS_OR_REST, SURROGATE

# Backslashes stand in strings alone, and in pairs where they mean themselves.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SHALLOW = 10


def has_nul(text: msgspec.Raw) -> bool:
    r"""True if a string or a name in the text holds U+0000: JSON allows it as `\u0000`, Postgres cannot store it."""
    return _NUL.search(bytes(text)) is not None


def holds_surrogate(text: bytes | bytearray | msgspec.Raw) -> bool:
    """True if the text may hold half of a surrogate pair: it writes one of those code points as an escape."""
    return SURROGATE.search(bytes(text)) is not None


def is_deep(text: msgspec.Raw, levels: int) -> bool:
    """True if arrays and objects are nested over so many levels in it, the outermost included.

    Args:
        text: valid JSON, but for lone surrogates, or so deep that nothing could read it.
        levels: the most that are taken.
    """
    whole = bytes(text)
    if whole.count(b"[") + whole.count(b"{") <= levels:
        return False
    steps = STRINGS_OR_REST.sub(b"", whole).translate(STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > levels


def may_be_deep(text: bytes) -> bool:
    """True if anything in the text may be nested over 10 levels deep. Cheap enough for a whole block.

    Remove pairs of brackets, and strings without brackets. Quotes of other strings stay, and then the text may be deep.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = text.translate(None, _NO_MARKS).replace(b'""', b"")
    for _ in range(_SHALLOW):
        marks = marks.replace(b"{}", b"").replace(b"[]", b"")
    return marks != b""


# The numbers of an item may read back as this many bytes more than 4 times the bytes of the item.
_SPARE_BYTES = 64 * 1024
_GROWTH = 4

_MOST = 999  # the largest exponent that is taken
_FEW = _SPARE_BYTES // (_MOST + 1)  # so many exponents expand to less than what is spare

_HUGE = re.compile(rb"[0-9][eE][+-]?0*[1-9][0-9]{3}")
_TAKEN = re.compile(rb"[0-9][eE][+-]?0*([0-9]{1,3})(?![0-9])")
_NUMBERS = re.compile(rb"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")

# Signs are digits here, too, and whatever may end a number is a comma.
_ALIKE = bytes.maketrans(b"123456789+-E]} \t\n\r", b"00000000000e,,,,,,")
# A regular expression finds it in two thirds of the time that bytes.find takes.
_ANY = re.compile(rb"0e0")
# As such, with two digits or more; one alone never makes a number four times as long.
# It begins with one certain byte, which is three times as fast to look for as anything else.
_ENDED = re.compile(rb"e00+(?:,|\Z)")


def has_huge_exponent(text: msgspec.Raw) -> bool:
    """True if a number in it has an exponent beyond 999: a few bytes that would read back as megabytes of digits."""
    return may_grow(bytes(text)) and _HUGE.search(STRINGS.sub(b"", bytes(text))) is not None


def may_grow(text: bytes) -> bool:
    """True if any item in it may have a huge exponent, or read back as too many digits; cheap enough for a block."""
    alike = text.translate(_ALIKE)
    first = _ANY.search(alike)
    if first is None:
        return False
    ends = (match.start() - 1 for match in _ENDED.finditer(alike, first.start()))
    numbers = list(islice((end for end in ends if _ends_number(alike, end)), _FEW + 1))
    return len(numbers) > _FEW or any(_HUGE.match(text, end) for end in numbers)


def _ends_number(alike: bytes, place: int) -> bool:
    """True if the digit there is the last of a whole number; those of a hexadecimal id follow a quote or a letter."""
    while place >= 0 and alike[place] in b"0.":
        place -= 1
    return place < 0 or alike[place] in b"[:,"


def grows(text: msgspec.Raw) -> bool:
    """True if the numbers of an item would read back as more than 4 times its bytes and 64 kB.

    Args:
        text: valid JSON, but for lone surrogates; exponents beyond 999 in it are not counted.
    """
    whole = bytes(text)
    if not may_grow(whole):
        return False
    most = _GROWTH * len(whole) + _SPARE_BYTES
    bare = STRINGS.sub(b"", whole)
    if len(bare) + sum(map(int, _TAKEN.findall(bare))) <= most:
        return False
    return sum(times * _length(number) for number, times in Counter(_NUMBERS.findall(bare)).items()) > most


def _length(number: bytes) -> int:
    """Return how many characters a number takes that Postgres has stored as `numeric`, which keeps its scale."""
    match = _NUMBER.match(number)
    sign, whole, fraction, exponent = match.groups(b"") if match else (b"", number, b"", b"")
    power = int(exponent) if 0 < len(exponent.lstrip(b"+-0")) <= len(str(_MOST)) else 0
    significant = len((whole + fraction).lstrip(b"0"))
    scale = max(0, len(fraction) - power)
    before_point = max(1, significant + power - len(fraction)) if significant else 1
    return len(sign) + before_point + (scale + 1 if scale else 0)
