"""Regular expressions of senders' templates: RE2 matches in time linear in the text, whatever the expression."""

import re
from collections.abc import Callable
from functools import lru_cache

import re2  # type: ignore[import-untyped] # it has no types

# A pattern is compiled into a program of bounded size, far below this.
LONGEST = 1_000

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

# White space as ECMA 262 has it, whose regular expressions are JSON Schema's: RE2's own `\s` is ASCII alone. Each set
# ends with a range, so that a `-` after it in a class stands for itself.
_SPACE = r"\t-\r \x{a0}\x{1680}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}\x{2000}-\x{200a}"
_NO_SPACE = (
    r"\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
    r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}"
)
# An escape; halves of a surrogate pair are no characters, and left for RE2 to refuse.
_ESCAPE = re.compile(r"\\(?:u(?![dD][89a-fA-F])[0-9A-Fa-f]{4}|.)", re.DOTALL)
_CLASS_OR_ESCAPE = re.compile(rf"\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]?|{_ESCAPE.pattern}", re.DOTALL)

# A whole text of one class, or of classes that each stand a fixed number of times: `re` matches it in linear time too,
# means the same by it, and needs 0.1 us.
_PLAIN_CLASS = r"(?:\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_ ])+\]|[A-Za-z0-9_ ])"
_PLAIN = re.compile(rf"\^(?:(?:{_PLAIN_CLASS}(?:\{{\d+\}})?)+|{_PLAIN_CLASS}[+*])\$", re.ASCII)


class BadPattern(ValueError):
    """RE2 does not take the pattern."""


@lru_cache(1_000)
def compiled(pattern: str) -> Callable[[str], object]:
    """Return a function whose result is true of texts that a pattern matches, and of no others.

    Args:
        pattern: as of JSON Schema's `pattern`: it may match anywhere in the text.

    Raises:
        BadPattern: it cannot be matched in linear time, or is no regular expression; the message says which part.
    """
    try:
        search = re2.compile(_CLASS_OR_ESCAPE.sub(_for_re2, pattern), _OPTIONS).search
    except re2.error as error:
        [reason] = error.args
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
    if _PLAIN.fullmatch(pattern):
        return re.compile(pattern[1:-1]).fullmatch
    # Of bytes the places of characters need not be found: 1.1 us, and 2.7 us for a text.
    return lambda text: search(text.encode()) is not None


def _for_re2(part: re.Match[str]) -> str:
    """Spell a character class, or an escape outside of one, as RE2 has it."""
    text = part[0]
    if text.startswith("["):
        return _ESCAPE.sub(lambda escape: _spelled(escape[0]), text)
    spelled = _spelled(text)
    return f"[{spelled}]" if text in {r"\s", r"\S"} else spelled


def _spelled(escape: str) -> str:
    if escape[1] == "u" and len(escape) > len(r"\u"):
        return rf"\x{{{escape[2:]}}}"
    return {r"\s": _SPACE, r"\S": _NO_SPACE}.get(escape, escape)
