"""Codes of items: of errors, which a job lists and single calls answer with, and of warnings."""

from app.openapi.codes.code import Code

CODES = (
    Code(
        name="VALIDATION_FAILED",
        meaning="The item is not of its shape, or breaks the tenant's template.",
        cause="A member is missing, unknown to the template or of a wrong type; a value is not of the type that the "
        "template gives its field; an id cannot stand in a URL; or a row of CSV has a faulty cell.",
        remedy="Correct what the message names, at the place in the item that `field` points to, and send the item "
        "again; others of its batch are stored. `errors.ndjson` of the job hands all bad items out to be corrected, "
        "and `GET /templates/{id}/json-schema` has all rules.",
        message='Missing required field: "email"',
    ),
    Code(
        name="INVALID_JSON",
        meaning="The line is not one JSON value in UTF-8.",
        cause="A quote or a bracket is missing, a line feed stands inside of an item, or a file was cut in the middle "
        "of a line.",
        remedy="Write each item on one line of its own; line feeds in texts are written `\\n`. `line` tells which one "
        "it is.",
        message="The line is not valid JSON: Input data was truncated",
    ),
    Code(
        name="UNKNOWN_FIELD",
        meaning="The item has a member that it should not have.",
        cause="A misspelt name as a rule; or a member beside `data` that belongs into it. An error under `Prefer: "
        "handling=strict`; otherwise a warning, and the item is stored without the member. A template may refuse or "
        "report fields in `data` likewise.",
        remedy="Correct the name at the place that `field` points to, or leave the member out. After a warning, send "
        "the item again if the member was meant.",
        message='Unknown field: "timestmp" (did you mean "timestamp"?)',
    ),
    Code(
        name="NOT_FOUND",
        meaning="There is no such thing, or it is another tenant's.",
        cause="As an answer: no such address, or a misspelt or unknown id. As an item error: the entity of an event "
        "or of a state does not exist, or was deleted.",
        remedy="Check the id. Send the entity first, then the item again: jobs of a tenant take effect in the order "
        "in which they were accepted, so no wait is needed between the two.",
        message='Entity "p1" does not exist',
    ),
    Code(
        name="ITEM_TOO_LARGE",
        meaning="The item has more bytes than one may have, or its numbers would read back as far too many.",
        cause="An item may have 1 MiB by default (`SLUICE_MAX_ITEM_BYTES`); numbers such as `1e900` are stored with "
        "all of their digits.",
        remedy="Split the item, or store large values elsewhere and send their address.",
        message="The item has 1048999 bytes; the most is 1048576",
    ),
    Code(
        name="TOO_LARGE",
        meaning="Merged with what is stored, the entity would be too large.",
        cause="Merges add to what is there; an entity may grow to 4 times the largest item, 4 MiB by default.",
        remedy="Replace the entity by what should stay (`mode=replace`, or a null for each member that is to go).",
        message="Merged, the data of the entity would be over 4194304 bytes: remove fields (null removes one), or "
        "keep less in one entity",
    ),
    Code(
        name="WRITE_FAILED",
        meaning="The database cannot store the item.",
        cause="A value that JSON may have and Postgres may not, such as a number of more than 131,072 digits.",
        remedy="Correct the value that the message speaks of; the same item again would be refused again.",
        message="The database cannot store this: SQLSTATE 22003",
    ),
    Code(
        name="PAST_RETENTION",
        meaning="The event is stored, and is older than the tenant keeps its events.",
        cause="Its `timestamp` is already past the tenant's retention, so the next purge deletes it.",
        remedy="Correct the time if it is wrong; or let the tenant keep events for longer (`PUT /settings`).",
        message="Its time is past the retention of 30 days: it is stored, and deleted again soon",
    ),
)
