r"""The JSON Schema Test Suite, draft 2020-12, judges the keywords and formats that are taken.

`suite/` holds the cases whose schemas a template may have, as data, MIT (suite/LICENSE), of
github.com/json-schema-org/JSON-Schema-Test-Suite at 44401e0c0467. Nothing is changed in them but that `$schema` and
`$comment` are taken off the schemas. `optional/x.json` is `x.json` here, and `optional/format/x.json` is
`format-x.json`. LEFT_OUT names all others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marshmallow
import msgspec
import pytest

from ingest import json_text
from ingest.items.templates import exact_json
from ingest.items.types.definition import mistakes
from ingest.items.types.fast import fast
from ingest.items.types.field import Typed

_FILES = sorted((Path(__file__).parent / "suite").glob("*.json"))

# The cases of the suite that are not in `suite/`: files, and descriptions in files that are; each with the reason.
# PUT refuses a template with such a schema, and names the keyword or the pattern.
LEFT_OUT = {
    ("allOf", "anyOf", "oneOf", "not", "if-then-else", "infinite-loop-detection"): "schemas are not combined",
    (
        "anchor",
        "defs",
        "dynamicRef",
        "ref",
        "refRemote",
        "vocabulary",
    ): "no references: a schema stands where it is used",
    ("contains", "maxContains", "minContains", "prefixItems", "unevaluatedItems"): "an array's items have one schema",
    ("dependentRequired", "dependentSchemas", "maxProperties", "minProperties", "patternProperties", "propertyNames"): (
        "keywords that are not taken"
    ),
    ("unevaluatedProperties",): "a keyword that is not taken",
    ("content",): "a keyword that asserts nothing, and is not taken",
    ("format", "optional/format-assertion"): "that a format asserts nothing by default; here each asserts",
    ("optional/anchor", "optional/cross-draft", "optional/dynamicRef", "optional/id", "optional/no-schema"): (
        "references, and `$schema`"
    ),
    ("optional/refOfUnknownKeyword", "optional/unknownKeyword"): "unknown keywords are refused, not ignored",
    ("optional/dependencies-compatibility",): "a keyword of older drafts",
    (
        "optional/format/duration",
        "optional/format/ecmascript-regex",
        "optional/format/hostname",
        "optional/format/idn-email",
        "optional/format/idn-hostname",
        "optional/format/iri",
        "optional/format/iri-reference",
        "optional/format/json-pointer",
        "optional/format/regex",
        "optional/format/relative-json-pointer",
        "optional/format/unknown",
        "optional/format/uri-reference",
        "optional/format/uri-template",
    ): "formats that are not taken",
    (
        "additionalProperties: additionalProperties being false does not allow other properties",
        "additionalProperties: non-ASCII pattern with additionalProperties",
        "additionalProperties: additionalProperties does not look in applicators",
        "additionalProperties: additionalProperties with propertyNames",
        "additionalProperties: dependentSchemas with additionalProperties",
        "items: items and subitems",
        "items: prefixItems with no additional items allowed",
        "items: items does not look in applicators, valid case",
        "items: prefixItems validation adjusts the starting index for items",
        "items: items with heterogeneous array",
        "properties: properties, patternProperties, additionalProperties interaction",
        "uniqueItems: the four groups with an array of items",
        "optional/ecmascript-regex: the five groups of patternProperties",
        "optional/non-bmp-regex: Proper UTF-16 surrogate pair handling: patternProperties",
    ): "with a keyword that is not taken",
    ("enum: empty enum",): "no value is of it: surely a mistake",
    (
        "pattern: pattern with Unicode property escape requires unicode mode",
        "optional/ecmascript-regex: patterns always use unicode semantics with pattern",
        "optional/ecmascript-regex: pattern with non-ASCII digits",
    ): r"long names of Unicode's properties, as in \p{Letter}: RE2 has the short ones, as in \p{L}",
    (
        r"optional/ecmascript-regex: ECMA 262 regex escapes control codes with \c and upper letter",
        r"optional/ecmascript-regex: ECMA 262 regex escapes control codes with \c and lower letter",
    ): r"\cC of ECMA 262, which RE2 has not",
}


def _cases() -> Iterator[Any]:
    for file in _FILES:
        for group in json_text.decode(file.read_bytes()):
            for case in group["tests"]:
                name = f"{file.stem}: {group['description']}: {case['description']}"
                yield pytest.param(group["schema"], case["data"], case["valid"], id=name)


def _takes(schema: Any, value: Any) -> bool:
    try:
        Typed(schema, name="x").deserialize(value)
    except marshmallow.ValidationError:
        return False
    return True


def _takes_fast(schema: Any, value: Any) -> bool:
    stands_in = fast(schema)
    assert stands_in is not None
    try:
        made = msgspec.json.Decoder(stands_in.type).decode(exact_json(value))
    except msgspec.DecodeError:
        return False
    return made is None or stands_in.holds is None or stands_in.holds(made)


@pytest.mark.parametrize(("schema", "value", "valid"), list(_cases()))
def test_the_field_judges_as_the_suite_says(schema: Any, value: Any, *, valid: bool) -> None:
    assert _takes(schema, value) is valid
    if not valid and fast(schema) is not None:
        assert not _takes_fast(schema, value)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_the_suites_schemas_are_good_definitions(file: Path) -> None:
    for group in json_text.decode(file.read_bytes()):
        assert list(mistakes(group["schema"])) == []


def test_no_file_is_both_run_and_left_out() -> None:
    run = {file.stem for file in _FILES}
    left_out = {name.removeprefix("optional/").replace("/", "-") for names in LEFT_OUT for name in names}
    assert len(run) == 32
    assert not run & left_out
