"""Regular expressions mean the same to every Python that Sluice runs on."""

import re

from tests.repository.test_docs import ROOT, texts

# Python before 3.11.5 matches too much by a group with a possessive quantifier, if a part of the group may match in
# several ways (CPython issue 106052). An atomic group says the same.
_POSSESSIVE_GROUP = re.compile(r"(?<!\\)\)[*+?]\+")
_CLASS = re.compile(r"\[[^\]]*\]")

# No part of its group may match in several ways.
_EXCEPTED = {("ingest/json_cuts.py", "_STRING")}


def test_no_group_has_a_possessive_quantifier() -> None:
    found = [
        (str(file.relative_to(ROOT)), line.split(" ")[0])
        for file, text in texts("app", "cli", "ingest", "worker")
        if file.suffix == ".py"
        for line in text.splitlines()
        if '"' in line and _POSSESSIVE_GROUP.search(_CLASS.sub("", line))
    ]
    assert set(found) == _EXCEPTED
