"""Compare an answer with the part of it that a page shows: `…` stands for anything."""

import json
import re
from collections.abc import Iterator
from typing import Any

ANYTHING = "…"


def documents(text: str) -> Iterator[Any]:
    """Yield each JSON document of an output that begins at the start of a line."""
    decoder = json.JSONDecoder()
    place = 0
    for line in text.splitlines(keepends=True):
        start, place = place, place + len(line)
        if line[0] in "{[":
            try:
                yield decoder.raw_decode(text, start)[0]
            except json.JSONDecodeError:
                continue


def covers(shown: Any, given: Any) -> bool:
    """True if all that is shown is so in what was given: members may be left out, and `…` is anything."""
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict):
        members = {name: value for name, value in shown.items() if name != ANYTHING}
        return isinstance(given, dict) and all(
            name in given and covers(value, given[name]) for name, value in members.items()
        )
    if isinstance(shown, list):
        some = shown[:-1] if shown[-1:] == [ANYTHING] else shown
        return (
            isinstance(given, list)
            and (len(given) == len(some) or len(some) < len(shown))
            and len(given) >= len(some)
            and all(covers(value, other) for value, other in zip(some, given, strict=False))
        )
    if isinstance(shown, str) and ANYTHING in shown:
        return isinstance(given, str) and like(shown, given)
    return type(shown) is type(given) and bool(shown == given)


def like(shown: str, given: str) -> bool:
    """True if the text is the one that is shown, with anything in the place of each `…`."""
    return re.fullmatch(".*".join(map(re.escape, shown.split(ANYTHING))), given) is not None


def missing_lines(shown: str, given: str) -> list[str]:
    """Return the lines that are shown and were not given, in their order; spaces at both ends do not count."""
    lines = iter([line.strip() for line in re.split(r"[\n\r]", given)])
    return [line for line in shown.splitlines() if line.strip() and not any(like(line.strip(), told) for told in lines)]
