"""Write a bad item with what is wrong with it, as JSON, so that it can be corrected and sent again.

Source: docs/contracts/jobs.md section 4. `ingest.intake.resent` reads it.
"""

from json.encoder import encode_basestring

import msgspec

from ingest import json_text
from ingest.intake.resent import NOTE, RAW
from ingest.jobs import ItemError

_SPACE = b" \t\n\r"
_LINE_ENDS = bytes.maketrans(b"\n\r", b"  ")  # they stand between the parts of a JSON text alone


def line_of(error: ItemError, item: bytes | None) -> bytes:
    """Return a line of an error file.

    Args:
        error: what is wrong with the item.
        item: its text, which need not be JSON; None where it was too large to be kept.
    """
    note = msgspec.json.encode(
        {
            "index": error.index,
            "line": error.line,
            "code": error.code,
            "field": error.field,
            "message": error.message,
        }
    )
    if item is None or not takes_a_note(item):
        return b'{"%b":%b,"%b":%b}\n' % (RAW.encode(), _text(item), NOTE.encode(), note)
    members = item.translate(_LINE_ENDS).rstrip(_SPACE).removesuffix(b"}")
    open_end = members.rstrip(_SPACE)
    comma = b"" if open_end.lstrip(_SPACE) == b"{" else b","
    return b'%b%b"%b":%b%b}\n' % (open_end, comma, NOTE.encode(), note, members[len(open_end) :])


def shown(item: bytes | None, *, as_text: bool) -> msgspec.Raw | str | None:
    """Return an item as an answer shows it: the JSON that was sent, or its text where it is none that any reader takes.

    Args:
        item: its text; None where it was too large to be kept.
        as_text: it was no JSON in the first place.
    """
    if item is None:
        return None
    if not as_text:
        try:
            item.decode()
            return msgspec.json.decode(item, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return item.decode("utf-8", "replace")


def takes_a_note(item: bytes) -> bool:
    """True if an item is an object that any reader of JSON takes, and means nothing else with a note."""
    try:
        item.decode()
        members = json_text.split_object(item)
    except ValueError:
        return False
    return RAW not in members and NOTE not in members


def is_patched(item: bytes | None, *, patched: bool | None) -> bool:
    """True if a retry has patched an item that failed, so that its text is JSON, also where its job came as CSV.

    Args:
        item: as of ItemError, like `patched`.
        patched: where that is not known, the looks of the item must do.
    """
    if item is None:
        return False
    return takes_a_note(item) if patched is None else patched


def _text(item: bytes | None) -> bytes:
    """Return a text as a JSON string, in which bytes that are no UTF-8 are the escapes of halves of surrogate pairs."""
    if item is None:
        return b"null"
    text = encode_basestring(item.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "backslashreplace")  # which replaces these halves alone, by escapes as JSON has them
