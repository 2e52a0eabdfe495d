"""Read bodies of the public API: one item, or `{"events": […]}`, whose items are checked one by one."""

import msgspec

from app.http.body import read, read_item
from ingest import json_batch, json_repeats, json_text
from ingest.errors import FaultyBody, InvalidInput


def item() -> msgspec.Raw:
    """Return the body of a single call: one JSON text.

    Raises:
        ItemTooLarge: the body has more bytes than an item may have.
        FaultyBody: the body is no JSON; and all that `app.http.body.read` raises of types and sizes.
    """
    try:
        return read_item()
    except InvalidInput as error:
        raise _malformed(error.message) from None


def items(name: str, most: int) -> list[msgspec.Raw]:
    """Return the items of a batch, each as it was sent; the batch checks them one by one later.

    Args:
        name: the member that holds them.
        most: how many the call takes.

    Raises:
        FaultyBody: the body is no JSON object, has a member twice, or has no such list of at most so many items.
    """
    return _list(name, _member(name), most)


def _member(name: str) -> msgspec.Raw:
    try:
        members = json_batch.split_batch(read(or_lines=True))
    except json_text.NotAnObject:
        raise FaultyBody.at([], "value is not a valid dict", "type_error.dict") from None
    except json_repeats.Repeated as error:
        raise FaultyBody.at([error.name], str(error), "value_error.repeated") from None
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not valid UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise _malformed(f"The body is not valid JSON: {error}") from None
    except InvalidInput as error:
        raise _malformed(error.message) from None
    if name not in members:
        raise FaultyBody.at([name], "field required", "value_error.missing")
    return members[name]


def _list(name: str, text: msgspec.Raw, most: int) -> list[msgspec.Raw]:
    try:
        return json_batch.split_array(bytes(text), deep=True, most=most)
    except json_batch.TooMany:
        msg = f"ensure this value has at most {most} items"
        raise FaultyBody.at([name], msg, "value_error.list.max_items") from None
    except json_batch.NotAnArray:
        raise FaultyBody.at([name], "value is not a valid list", "type_error.list") from None
    except ValueError as error:
        raise _malformed(f"The body is not valid JSON: {error}") from None


def _malformed(why: str) -> FaultyBody:
    return FaultyBody.at([], why, "value_error.jsondecode")
