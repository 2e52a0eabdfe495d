"""Cut JSON texts at the places that their marks show: what msgspec refuses, though it is JSON, is cut here.

It refuses lone surrogates and great depth. All of it is done by compiled code: a loop of Python over a text would take
seconds of a process.
"""

import json
import re
from itertools import accumulate, pairwise

import msgspec

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # either half
_NO_SURROGATE = rb"\\uff"  # stands in for it, as long as it is, while the rest is checked
# One level deeper, one less deep, and no level: as signed bytes.
STEPS = bytes({ord("["): 1, ord("{"): 1, ord("]"): 255, ord("}"): 255}.get(byte, 0) for byte in range(256))
SPACE = b" \t\n\r"
_COMMA = ord(",")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
STRINGS = re.compile(_STRING, re.DOTALL)
# A string that is not closed reaches to the end, so that none of its characters is looked at twice.
STRINGS_OR_REST = re.compile(_STRING + rb"?", re.DOTALL)
_NAME = re.compile(rb"(" + _STRING + rb")[ \t\n\r]*:[ \t\n\r]*", re.DOTALL)
_GAP = re.compile(rb"[ \t\n\r]*,?[ \t\n\r]*")


def without_surrogates(text: bytes) -> bytes:
    """Return a text as long as this one, with other characters in place of surrogates."""
    return SURROGATE.sub(_NO_SURROGATE, text)


def items_like(items: list[msgspec.Raw], text: bytes) -> list[msgspec.Raw]:
    """Cut an array into items that are as long as these."""
    place = text.index(b"[") + 1
    cut: list[msgspec.Raw] = []
    for item in items:
        gap = _GAP.match(text, place)
        start = gap.end() if gap else place
        place = start + len(item)
        cut.append(msgspec.Raw(text[start:place]))
    return cut


def members_like(members: dict[str, msgspec.Raw], text: bytes) -> dict[str, msgspec.Raw] | None:
    """Cut an object into members whose values are as long as these; None where a name stands twice."""
    place = text.index(b"{") + 1
    cut: dict[str, msgspec.Raw] = {}
    for value in members.values():
        found = name_at(text, place)
        if found is None:
            return None
        name, start = found
        place = start + len(value)
        part = text[start:place]
        if without_surrogates(part) != bytes(value):
            return None
        cut[name] = msgspec.Raw(part)
    return cut if text[place:].strip(SPACE) == b"}" else None


def name_at(text: bytes, place: int) -> tuple[str, int] | None:
    """Return the name of the member there, and where its value begins; None where no name stands."""
    gap = _GAP.match(text, place)
    match = _NAME.match(text, gap.end() if gap else place)
    return (str(json.loads(match[1])), match.end()) if match else None


def parts(text: bytes, closing: bytes) -> list[bytes]:
    """Return the texts between the outermost brackets, split at their commas; check none of them.

    This scans byte by byte, for texts that nothing else can split.
    """
    whole = text.strip(SPACE)
    bare = STRINGS_OR_REST.sub(lambda string: b"0" * len(string[0]), whole)
    cuts = [0]
    for place, depth in enumerate(accumulate(memoryview(bare.translate(STEPS)).cast("b"))):
        if depth == 1 and bare[place] == _COMMA:
            cuts.append(place)
        elif depth == 0:
            cuts.append(place)
            break
    if whole[cuts[-1] :] != closing:
        raise ValueError("not closed, or something stands behind its end")
    parts = [whole[before + 1 : after].strip(SPACE) for before, after in pairwise(cuts)]
    return [] if parts == [b""] else parts
