"""JSON as data: split without being decoded, so that what was sent is what is stored.

msgspec checks RFC 8259 strictly and hands out the sender's own bytes.
"""

from decimal import Decimal
from typing import Any

import msgspec

from ingest.json_cuts import SPACE, SURROGATE, without_surrogates

RawObject = dict[str, msgspec.Raw]

_OBJECT = msgspec.json.Decoder(RawObject)
_EXACT = msgspec.json.Decoder(float_hook=Decimal)
_WHOLE = msgspec.json.Decoder(msgspec.Raw)


class NotAnObject(ValueError):
    """The text is JSON, but no object."""


class TooDeep(ValueError):
    """The text nests arrays and objects beyond what is taken."""


def split_object(text: bytes | msgspec.Raw) -> RawObject:
    """Split a JSON object into its members, as the bytes that were sent; of equal names the last counts.

    Raises:
        NotAnObject: it is JSON of another type.
        ValueError: it is not JSON, holds a lone surrogate, or is nested too deeply.
    """
    try:
        return _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise NotAnObject("not a JSON object") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def decode(text: bytes | msgspec.Raw) -> Any:
    """Decode a JSON text, numbers exact: `int`, or `Decimal` where it has a fraction or an exponent.

    Raises:
        ValueError: it is not JSON, holds a lone surrogate, or a number of more than 4,300 digits or 18 in its exponent.
    """
    try:
        return _EXACT.decode(text)
    except ArithmeticError:  # Decimal's own, as for 1e1000000000000000000
        raise ValueError("a number is out of range") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def has_null_member(text: msgspec.Raw) -> bool:
    """True if any top-level member of this object is null."""
    return b"null" in bytes(text) and any(bytes(value) == b"null" for value in split_object(text).values())


def one(text: bytes) -> msgspec.Raw:
    """Return a JSON text without the space around it. It may hold lone surrogates, or be nested too deeply to be read.

    Args:
        text: UTF-8.

    Raises:
        ValueError: it is not one JSON value; the message says where.
    """
    try:
        return _WHOLE.decode(text)
    except RecursionError:
        pass
    except msgspec.DecodeError as error:
        if not SURROGATE.search(text):
            raise ValueError(str(error)) from None
        try:
            _WHOLE.decode(without_surrogates(text))
        except RecursionError:
            pass
        except msgspec.DecodeError as other:
            raise ValueError(str(other)) from None
    return msgspec.Raw(text.strip(SPACE))
