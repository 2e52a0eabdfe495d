"""A form whose last field is a file, read while it arrives: the file is never held, in memory or on a disk."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from app.http.arrival import sent
from ingest.errors import InvalidInput, PayloadTooLarge

_MOST_FIELD_BYTES = 1024 * 1024
_MOST_PARTS = 5_000


class Arriving(NamedTuple):
    """A form with a file.

    Attributes:
        fields: those before the file.
        file_name: as the browser says it.
        file: the file, while it arrives.
    """

    fields: Mapping[str, str]
    file_name: str
    file: Iterator[bytes]


def form_with_file() -> Arriving:
    """Read the form of this request up to its file.

    Raises:
        InvalidInput: it is no such form; and all that `app.http.arrival.sent` raises.
        PayloadTooLarge: its fields are.
    """
    media, options = parse_options_header(request.headers.get("Content-Type", ""))
    boundary = options.get("boundary", "")
    if media != "multipart/form-data" or not boundary:
        raise InvalidInput("Choose a file: the form has none")
    decoder = MultipartDecoder(boundary.encode(), max_form_memory_size=_MOST_FIELD_BYTES, max_parts=_MOST_PARTS)
    events = _events(decoder)
    fields: dict[str, str] = {}
    name, value = "", bytearray()
    for event in events:
        match event:
            case Field():
                name, value = event.name, bytearray()
            case File():
                return Arriving(fields, event.filename or "", _file(events))
            case Data():
                value += event.data
                if not event.more_data:
                    fields[name] = value.decode("utf-8", "replace")
            case Epilogue():
                break
    raise InvalidInput("Choose a file: the form has none")


def _events(decoder: MultipartDecoder) -> Iterator[object]:
    try:
        for chunk in sent():
            decoder.receive_data(chunk)
            yield from _ready(decoder)
        decoder.receive_data(None)
        yield from _ready(decoder)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"The fields of the form are over {_MOST_FIELD_BYTES} bytes") from None
    except ValueError as error:
        raise InvalidInput(f"The form cannot be read: {error}") from None


def _ready(decoder: MultipartDecoder) -> Iterator[object]:
    while not isinstance(event := decoder.next_event(), NeedData):
        yield event
        if isinstance(event, Epilogue):
            return


def _file(events: Iterator[object]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, Data):
            if event.data:
                yield event.data
            if not event.more_data:
                break
    for _ in events:  # what is behind the file is read, so that the connection can be kept
        pass
