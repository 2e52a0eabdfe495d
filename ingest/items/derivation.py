"""Derive the fast path of a schema: the types that take its good items, and the tests that no type says."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Literal, Union

import marshmallow
import msgspec
from marshmallow import fields

from ingest.items.fastpath import FastPath, Test, Tests
from ingest.items.fields import Document, FastField, Timestamp
from ingest.items.public_fields import Items
from ingest.items.schema import ItemSchema, Vocabulary
from ingest.items.templates import ADDITIONAL, Definition, TypeRules
from ingest.items.types.fast import PLAIN_NAME, Fast, fast, without_null


def derive(schema: ItemSchema) -> FastPath | None:
    """Derive the fast path of a schema; None if it has a field, a hook or a validator that no msgspec type stands for.

    Args:
        schema: of a kind, under a template.
    """
    vocabulary, left_out = _expressible(schema.vocabulary)
    if vocabulary is not None and not vocabulary.names:
        return None
    item = _item(schema, vocabulary)
    if item is None:
        return None
    rules, tests = _rules(schema, vocabulary)
    return FastPath(
        item,
        rules,
        tests=tests,
        timestamps=tuple(
            field.attribute or name for name, field in schema.fields.items() if isinstance(field, Timestamp)
        ),
        most_bytes=schema.most_bytes,
        left_out=left_out,
    )


def _expressible(vocabulary: Vocabulary | None) -> tuple[Vocabulary | None, dict[str, str]]:
    """Return the names of a vocabulary that types can stand for; and the others, each with what is why."""
    if vocabulary is None:
        return None, {}
    left_out = {
        name: why for name, rules in vocabulary.names.items() if (why := _inexpressible(name, rules)) is not None
    }
    plain = {name: rules for name, rules in vocabulary.names.items() if name not in left_out}
    return replace(vocabulary, names=plain), left_out


def _inexpressible(name: str, rules: TypeRules) -> str | None:
    """Return the name or the field for which no type stands; None where one stands for all."""
    strange = next((text for text in (name, *_ruled(rules)) if not PLAIN_NAME.fullmatch(text)), None)
    if strange is not None:
        return strange
    typed = {**rules.fields, **({} if rules.value is None else {"value": rules.value})}
    return next((text for text, definition in typed.items() if fast(definition) is None), None)


def _item(schema: ItemSchema, vocabulary: Vocabulary | None) -> type[msgspec.Struct] | None:
    """Make the type of the schema's items, each field as narrow as the schema has it.

    Unknown members are marshmallow's, be it to refuse or to ignore.
    """
    if any(schema._hooks.values()):  # noqa: SLF001 # it has no public name
        return None
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, field in schema.fields.items():
        attribute = field.attribute or name
        stands_for = _type_of(field)
        if stands_for is None:
            return None
        if vocabulary is not None and attribute == vocabulary.attribute:
            stands_for = Literal[tuple(vocabulary.names)]
        members.append((attribute, stands_for) if field.required else (attribute, stands_for, field.load_default))
    members.sort(key=len)  # a struct's fields with a default come last
    return msgspec.defstruct(
        schema.item.__name__,
        members,
        bases=(schema.item,),
        rename=_names(schema),
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
    )


def _names(schema: ItemSchema) -> dict[str, str]:
    """Return the members' names by attribute."""
    return {field.attribute or name: field.data_key or name for name, field in schema.fields.items()}


def _type_of(field: fields.Field[Any]) -> Any | None:
    """Return the type that the field's own class says stands for it; None where there is none."""
    has_value = field.required or field.load_default is not marshmallow.missing
    if not isinstance(field, FastField) or "fast_type" not in vars(type(field)) or field.validators or not has_value:
        return None
    if field.allow_none and not field.takes_null:
        return None
    return field.fast_type(partial(_item, vocabulary=None))


def _rules(schema: ItemSchema, vocabulary: Vocabulary | None) -> tuple[Any | None, Tests]:
    """Make a type that holds an item's documents to the rules that its name brings; and what that type does not say."""
    if vocabulary is None:
        documents = _documents(schema, TypeRules())
        return documents if documents.__struct_fields__ else None, {}
    made = {
        _documents(schema, rules, tag_field=vocabulary.member, tag=name): rules
        for name, rules in vocabulary.names.items()
    }
    if not any(documents.__struct_fields__ for documents in made):
        return None, {}
    tests = {documents: list(_tests(schema, rules)) for documents, rules in made.items()}
    return Union[tuple(made)], tests if any(tests.values()) else {}  # noqa: UP007 # made at run time


def _documents(schema: ItemSchema, rules: TypeRules, **tag: str) -> type[msgspec.Struct]:
    """Make a type that holds an item's documents to be objects, and to their rules; it may have no member."""
    members: list[tuple[str, Any] | tuple[str, Any, None]] = []
    for name, field in schema.fields.items():
        holds: Any = None
        if isinstance(field, FastField) and field.is_object:
            holds = _data(rules)
        elif isinstance(field, Document) and rules.value is not None:
            holds = _stand_in(rules.value).type
        elif isinstance(field, Items) and (inner := _documents(field.schema, TypeRules())).__struct_fields__:
            holds = list[inner]  # type: ignore[valid-type] # made at run time
        if holds is not None:
            attribute = field.attribute or name
            members.append((attribute, holds) if field.required else (attribute, holds, None))
    members.sort(key=len)
    return msgspec.defstruct("Documents", members, rename=_names(schema), gc=False, **tag)  # type: ignore[arg-type] # tag_field and tag


def _data(rules: TypeRules) -> type[msgspec.Struct]:
    """Make a type of objects that keep rules."""
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    names = _ruled(rules)
    for name, member in names.items():
        of_field = _stand_in(rules.fields[name]).type if name in rules.fields else msgspec.Raw
        if name in rules.required:
            members.append((member, without_null(of_field)))
        elif of_field is msgspec.Raw:
            members.append((member, of_field, msgspec.Raw(b"null")))
        else:
            members.append((member, of_field | None, None))
    members.sort(key=len)
    return msgspec.defstruct(
        "Data",
        members,
        rename={member: name for name, member in names.items()},
        forbid_unknown_fields=rules.additional != ADDITIONAL[0],
        gc=False,
    )


def _ruled(rules: TypeRules) -> dict[str, str]:
    """Return the fields of `data` on which rules have a say, each with the member that stands for it."""
    names = [*rules.required, *rules.fields] if rules.additional == ADDITIONAL[0] else rules.listed
    return {name: f"field{place}" for place, name in enumerate(dict.fromkeys(names))}


def _tests(schema: ItemSchema, rules: TypeRules) -> Iterator[Test]:
    """Yield what the type of an item's documents does not say."""
    members = _ruled(rules)
    for name, field in schema.fields.items():
        attribute = field.attribute or name
        if isinstance(field, FastField) and field.is_object:
            for of_data, definition in rules.fields.items():
                _, holds, plain = _stand_in(definition)
                if holds is not None:
                    yield Test(attrgetter(f"{attribute}.{members[of_data]}"), holds, plain)
        elif isinstance(field, Document) and rules.value:
            _, holds, plain = _stand_in(rules.value)
            if holds is not None:
                yield Test(attrgetter(attribute), holds, plain)


def _stand_in(definition: Definition) -> Fast:
    found = fast(definition)
    assert found is not None  # noqa: S101 # `_inexpressible` has left out the names of others
    return found
