"""Patterns that `re` matches are matched as RE2 would."""

import re2  # type: ignore[import-untyped] # it has no types
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.items.types.patterns import compiled

_PARTS = st.sampled_from(["[A-Z]", "[a-z0-9]", "[A-Z_ ]", "A", "1"])
_FIXED = st.lists(st.tuples(_PARTS, st.sampled_from(["", "{2}", "{0}"])), min_size=1, max_size=3).map(
    lambda parts: "".join(part + count for part, count in parts)
)
_OPEN = st.tuples(_PARTS, st.sampled_from("+*")).map("".join)


@given(_FIXED | _OPEN, st.text("AZaz19_ \n", max_size=5))
@example("[A-Z]", "A\n")
@example("[A-Z]{2}[a-z0-9]", "\u0130A1")
@example("1*", "")
def test_a_plain_pattern_means_what_re2_means(inner: str, text: str) -> None:
    pattern = f"^{inner}$"
    assert bool(compiled(pattern)(text)) == (re2.search(pattern, text) is not None)
