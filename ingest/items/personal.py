"""Personal data of entities: sealed before they are stored (docs/contracts/operator.md section 7). Pure.

The fields that a template lists under `pii_fields` leave an entity's data. Each becomes two texts: its value, sealed;
and `kid:digest`, by which an equal value is known without being decrypted. The digest is of the value as Postgres
compares JSON, so that `1e2` is known as 100 and the order of an object's members does not matter.
"""

import json
from binascii import b2a_base64, hexlify
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat

import msgspec

from ingest import json_text
from ingest.crypto import Cipher, MasterKeys
from ingest.items.entities import Entity
from ingest.items.templates import Template

# Stored values are bound to these words: another spelling would make them unreadable.
_PURPOSE = "entity/{}"

_NULL = b"null"

# Entities that are sealed at a time: many, since each call costs something, and few, since the server waits for them.
_A_PIECE = 200


class ProtectedEntity(Entity, frozen=True, gc=False):
    """An entity whose personal data was taken out of `data`.

    Attributes:
        pii: a JSON object: the sealed value of each field, in base64.
        digests: a JSON object: the digest of each, behind the id of its master key and a colon.
        former: likewise digests under the other master keys, each with that of `digests` for the same value.
    """

    pii: msgspec.Raw
    digests: msgspec.Raw
    former: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Protection:
    """Seals the personal data of a tenant's entities under a template.

    Attributes:
        keys: the master keys of this process.
        tenant_id: whose.
        fields: those that hold personal data, by the type of entity.
    """

    keys: MasterKeys
    tenant_id: int
    fields: Mapping[str, Sequence[str]]

    @classmethod
    def under(cls, template: Template | None, keys: MasterKeys, tenant_id: int) -> "Protection | None":
        """Return the protection of a tenant's entities; None where the template calls nothing personal data.

        Args:
            template: that they are written under; None for kinds that have none.
            keys: the master keys of this process.
            tenant_id: whose.
        """
        if template is None or not has_personal_data(template):
            return None
        return cls(keys, tenant_id, template.pii_fields)

    def seal_in_pieces(self, entities: Sequence[Entity], *, merge: bool) -> Iterator[ProtectedEntity]:
        """Yield what `seal` returns, a piece at a time, so that the first ones can be stored meanwhile."""
        for start in range(0, len(entities), _A_PIECE):
            yield from self.seal(entities[start : start + _A_PIECE], merge=merge)

    def seal(self, entities: Sequence[Entity], *, merge: bool) -> list[ProtectedEntity]:
        """Return entities with their personal data sealed.

        Args:
            entities: as they were sent.
            merge: a null is no value then: it stays in the data, and removes the field.

        Raises:
            MasterKeyMissing: there is no master key, and one of them has personal data.
        """
        documents = [json_text.split_object(entity.data) for entity in entities]
        contexts = [entity.external_id.encode() for entity in entities]
        sealed, told = [list[bytes]() for _ in entities], [list[bytes]() for _ in entities]
        former: list[dict[str, str]] = [{} for _ in entities] if len(self.keys.keys) > 1 else []
        for field, places in self._places(entities, documents, merge=merge).items():
            cipher, name = cipher_of(self.keys, self.tenant_id, field), msgspec.json.encode(field) + b':"'
            plains = [documents[place].pop(field) for place in places]
            having = [contexts[place] for place in places]
            values = [name + b2a_base64(value, newline=False) for value in cipher.seal_all(plains, having)]
            digests = _digests(cipher, plains, having)
            for place, value, digest in zip(places, values, digests, strict=True):
                sealed[place].append(value)
                told[place].append(name + digest)
            for kid in cipher.former_kids:
                for place, old, digest in zip(places, _digests(cipher, plains, having, kid), digests, strict=True):
                    former[place][old.decode()] = digest.decode()
        return [
            ProtectedEntity(entity.external_id, entity.type, _raw(data), _joined(pii), _joined(digests), old)
            for entity, data, pii, digests, old in zip(
                entities, documents, sealed, told, former or repeat({}), strict=False
            )
        ]

    def _places(
        self, entities: Sequence[Entity], documents: Sequence[json_text.RawObject], *, merge: bool
    ) -> Mapping[str, list[int]]:
        """Return the places of the entities that have a value, by the field."""
        places: dict[str, list[int]] = {}
        for place, (entity, members) in enumerate(zip(entities, documents, strict=True)):
            for field in self.fields.get(entity.type, ()):
                if field in members and not (merge and bytes(members[field]) == _NULL):
                    places.setdefault(field, []).append(place)
        return places


def _joined(members: Sequence[bytes]) -> msgspec.Raw:
    """Return a JSON object of members whose values are texts, each without the quote at its end."""
    return msgspec.Raw(b"{" + b'",'.join(members) + b'"}' if members else b"{}")


def has_personal_data(template: Template) -> bool:
    """True if a template calls any field personal data."""
    return any(template.pii_fields.values())


def require_key(template: Template, keys: MasterKeys) -> None:
    """Let entities be written under a template.

    Raises:
        MasterKeyMissing: it calls fields personal data, and there is no master key to encrypt them with.
    """
    if has_personal_data(template):
        keys.require()


def cipher_of(keys: MasterKeys, tenant_id: int, field: str) -> Cipher:
    """Return the cipher of a field of a tenant's entities; the external id of each is the context."""
    return keys.cipher(tenant_id, _PURPOSE.format(field))


def opened(keys: MasterKeys, tenant_id: int, external_id: str, pii: str) -> json_text.RawObject:
    """Return the personal data of an entity, each value as it was sent.

    Args:
        keys: the master keys of this process.
        tenant_id: whose.
        external_id: the entity's.
        pii: as `ProtectedEntity` has it.

    Raises:
        SecretUnreadable: a master key is not configured any more, or somebody has changed the row.
    """
    return {
        field: opened_value(keys, tenant_id, external_id, field, value) for field, value in sealed_values(pii).items()
    }


def sealed_values(pii: str) -> dict[str, bytes]:
    """Return the sealed values of `ProtectedEntity.pii`, by their fields."""
    return msgspec.json.decode(pii, type=dict[str, bytes])


def opened_value(keys: MasterKeys, tenant_id: int, external_id: str, field: str, value: bytes) -> msgspec.Raw:
    """Return one of `sealed_values` as it was sent; the rest is as of `opened`."""
    return msgspec.Raw(cipher_of(keys, tenant_id, field).open(value, external_id.encode()))


def sealed(
    keys: MasterKeys, tenant_id: int, external_id: str, values: Mapping[str, msgspec.Raw]
) -> tuple[bytes, bytes]:
    """Return values of an entity sealed, and their digests, as `ProtectedEntity` has them.

    Args:
        keys: the master keys of this process.
        tenant_id: whose.
        external_id: the entity's.
        values: of its fields, as JSON texts.

    Raises:
        MasterKeyMissing: there is no master key.
    """
    pii, digests, context = dict[str, bytes](), dict[str, str](), external_id.encode()
    for field, value in values.items():
        cipher = cipher_of(keys, tenant_id, field)
        pii[field] = cipher.seal(bytes(value), context)
        [digest] = _digests(cipher, [bytes(value)], [context])
        digests[field] = digest.decode()
    return msgspec.json.encode(pii), msgspec.json.encode(digests)


def overlaid(merges: Iterable[ProtectedEntity]) -> ProtectedEntity:
    """Return one merge that does what several of one entity would in turn."""
    data, pii, digests, former = json_text.RawObject(), json_text.RawObject(), json_text.RawObject(), dict[str, str]()
    for merge in merges:
        clear, hidden = json_text.split_object(merge.data), json_text.split_object(merge.pii)
        data = {name: value for name, value in data.items() if name not in hidden} | clear
        pii = {name: value for name, value in pii.items() if name not in clear} | hidden
        told = json_text.split_object(merge.digests)
        digests = {name: value for name, value in digests.items() if name not in clear} | told
        former |= merge.former
        last = merge
    return ProtectedEntity(last.external_id, last.type, _raw(data), _raw(pii), _raw(digests), former)


def former_digests(entities: Iterable[ProtectedEntity]) -> Mapping[str, str]:
    """Return the digests under former master keys, each with that of the first key for the same value."""
    former: dict[str, str] = {}
    for entity in entities:
        former |= entity.former
    return former


def canonical(text: bytes) -> bytes:
    """Return a JSON value as Postgres compares it: equal values of `jsonb` have one text, and others have another one.

    To Postgres 1.50 is not 1.5, which reads back as another text.
    """
    try:
        return _ENCODE(_DECODE(text))
    except msgspec.ValidationError:  # an integer of more digits than Python converts
        return _ENCODE(json.loads(bytes(text), parse_int=_number, parse_float=_number))


def _number(text: str) -> msgspec.Raw:
    plain = f"{Decimal(text):f}"
    return msgspec.Raw(plain.removeprefix("-") if plain.strip("-0.") == "" else plain)


_ENCODE = msgspec.json.Encoder(order="sorted").encode
_DECODE = msgspec.json.Decoder(float_hook=_number).decode


def _digests(cipher: Cipher, plains: Sequence[bytes], contexts: Sequence[bytes], kid: str | None = None) -> list[bytes]:
    named = f"{cipher.kid if kid is None else kid}:".encode()
    found = cipher.digest_all(list(map(canonical, plains)), contexts, kid=kid)
    return [named + hexlify(digest) for digest in found]


def _raw(members: Mapping[str, object]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(members))
