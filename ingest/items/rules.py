"""Hold the `data` of an item to the rules of its type, and the value of a state to those of its key."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import marshmallow
import msgspec

from ingest import json_text
from ingest.items.pointers import Fault
from ingest.items.templates import Definition, TypeRules
from ingest.items.types.field import Typed
from ingest.items.unknown_members import NO_MEMBERS, UnknownMembers, among

_NULL = b"null"
_MEMBER = "data"

_BECAUSE = {"warn": "; it is stored all the same", "drop": "; it is not stored"}


class DataRules:
    """The rules of a type of entities or events.

    Args:
        rules: as the template has them.
        personal: the fields that hold personal data, which no message quotes.
    """

    def __init__(self, rules: TypeRules, personal: Iterable[str] = ()) -> None:
        self.required = rules.required
        self.additional = rules.additional
        self.fields = {
            name: Typed(definition, name=name, quotes=name not in personal) for name, definition in rules.fields.items()
        }
        self.listed = rules.listed
        self._judges = bool(self.required or self.fields or self.additional == "refuse")

    def faults(self, data: msgspec.Raw) -> list[Fault]:
        """Return all that is wrong with the data of an item of the right shape.

        Args:
            data: a JSON object, as it was sent.
        """
        if not self._judges:
            return []
        members = json_text.split_object(data)
        return [*self._missing(members), *self._wrong(members), *self._refused(members)]

    def unlisted(self, data: msgspec.Raw) -> UnknownMembers:
        """Return the members of good data that its sender is to be warned of."""
        if self.additional not in _BECAUSE:
            return NO_MEMBERS
        return self._others(json_text.split_object(data), _BECAUSE[self.additional])

    def stored(self, data: msgspec.Raw) -> msgspec.Raw:
        """Return good data as it is stored: without members that are to be dropped, the others as they were sent."""
        if self.additional != "drop":
            return data
        members = json_text.split_object(data)
        if all(name in self.listed for name in members):
            return data
        return msgspec.Raw(msgspec.json.encode({name: text for name, text in members.items() if name in self.listed}))

    def _missing(self, members: Mapping[str, msgspec.Raw]) -> Iterator[Fault]:
        # An absent or null required field is missing (docs/contracts/operator.md section 2).
        for name in self.required:
            if name not in members or bytes(members[name]) == _NULL:
                yield Fault((_MEMBER, name), f'Missing required field: "{name}"')

    def _wrong(self, members: Mapping[str, msgspec.Raw]) -> Iterator[Fault]:
        for name, field in self.fields.items():
            # Null is as absent, unless the field's type lists it (docs/contracts/templates.md).
            if name in members and (field.lists_null or bytes(members[name]) != _NULL):
                yield from _faults_of(field, members[name], _MEMBER)

    def _refused(self, members: Mapping[str, msgspec.Raw]) -> list[Fault]:
        return self._others(members).first if self.additional == "refuse" else []

    def _others(self, members: Mapping[str, msgspec.Raw], because: str = "") -> UnknownMembers:
        names = [name for name in members if name not in self.listed]
        return among(names, self.listed, (_MEMBER,), because=because)


class ValueRules:
    """The rules of a state's key.

    Args:
        definition: of its values.
    """

    def __init__(self, definition: Definition) -> None:
        self.field = Typed(definition, name="value")

    def faults(self, value: msgspec.Raw) -> list[Fault]:
        """Return all that is wrong with a value.

        Args:
            value: any JSON, as it was sent.
        """
        return list(_faults_of(self.field, value))


def _faults_of(field: Typed, text: msgspec.Raw, *path: str) -> Iterator[Fault]:
    try:
        field.deserialize(json_text.decode(text))
    except marshmallow.ValidationError as error:
        messages: Any = error.messages
        for fault in messages:
            yield replace(fault, path=(*path, *fault.path))
