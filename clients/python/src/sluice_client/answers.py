"""The server's answers as values of the types that they should be."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from sluice_client.errors import TransportError
from sluice_client.values import Numbers, decoder

_Data = TypeVar("_Data")


class _Envelope(msgspec.Struct, Generic[_Data]):
    data: _Data


def _in_envelope(kind: Any) -> Any:
    return _Envelope[kind]


class Answers:
    """The decoders of a client's answers.

    Args:
        numbers: as `values.decoder` takes it.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def data(self, text: bytes, kind: type[_Data], *, bare: bool = False) -> _Data:
        """Return the data of an answer.

        Args:
            text: of the answer.
            kind: the type of the data.
            bare: the answer is the data itself, in no envelope.
        """
        answer = self.of(text, kind if bare else _in_envelope(kind))
        data: _Data = answer if bare else answer.data
        return data

    def of(self, text: bytes | str, kind: Any) -> Any:
        """Return what a text is, of a type.

        Raises:
            TransportError: it is something else.
        """
        known = self._decoders.get(kind)
        if known is None:
            known = self._decoders[kind] = decoder(kind, self._numbers)
        try:
            return known.decode(text)
        except msgspec.MsgspecError as error:
            raise TransportError(f"The answer is not Sluice's; is this its address? {error}") from error
