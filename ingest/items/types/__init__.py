"""Types in templates: JSON Schemas of values, judged when a template is stored and asked of every item.

    values      the JSON type of a value, and equality of values
    formats     the formats that a text may be held to; codes: those of countries and currencies
    patterns    regular expressions that match in linear time
    definition  is a type a good one? every mistake is named by its place
    field       the marshmallow field that a type makes
    fast        the msgspec type that stands for it on the fast path
    example     example values of a type

docs/contracts/templates.md is the contract. Pure.
"""
