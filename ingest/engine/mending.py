"""Mend items that failed: read them as far as they can be read, edit them, and say what is to be sent again.

An edit is kept as the difference of two items (RFC 7396), as a retry takes it: encrypted where its item is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ingest import json_text
from ingest.crypto import MasterKeys
from ingest.db.connection.pool import Connection
from ingest.db.jobs.drafts import Draft, Shown
from ingest.db.tenants.templates import TemplateCache
from ingest.engine.cells import Path, difference, members_of
from ingest.engine.csv_types import row_types_of_job
from ingest.engine.kinds import KINDS, schema_of
from ingest.engine.patches import merged
from ingest.engine.sealing import Sealer, sealer_of
from ingest.intake.csv_header import RowTypes
from ingest.intake.csv_rows import lenient_item
from ingest.intake.error_files import is_patched
from ingest.intake.lines import guarded
from ingest.intake.picked import Picked
from ingest.items.fields import Document, RawMember
from ingest.items.schema import ItemSchema
from ingest.items.templates import Definition, Template, TypeRules, exact_json
from ingest.jobs import Job


@dataclass(frozen=True)
class Row:
    """An item that failed, as it stands with its draft.

    Attributes:
        shown: as it is stored.
        text: as it was sent; None where it is not kept, or too long for this.
        original: the item, decoded; None where it is no JSON object, and no row of its header, that could be edited.
        item: the same with its edits.
    """

    shown: Shown
    text: bytes | None
    original: dict[str, Any] | None
    item: dict[str, Any] | None

    @property
    def index(self) -> int:
        """Its place in the batch."""
        return self.shown.index

    @property
    def is_mendable(self) -> bool:
        """True if it can be edited, and sent again."""
        return self.item is not None and self.shown.retried_in is None


@dataclass(frozen=True)
class Mending:
    """The rules by which the items of a job are read and checked today.

    Attributes:
        job: in which they failed.
        schema: theirs.
        types: of the cells of rows.
        sealer: of the tenant's items.
    """

    job: Job
    schema: ItemSchema
    types: RowTypes | None
    sealer: Sealer

    @cached_property
    def document(self) -> str | None:
        """The member whose own members are cells too; None where a kind has none, as a state has not."""
        if self.schema.vocabulary is not None and self.schema.vocabulary.member == "stateKey":
            return None
        names = [name for name, field in self._fields.items() if isinstance(field, Document)]
        return names[0] if names else None

    @cached_property
    def members(self) -> Mapping[str, bool]:
        """The members of an item but for its document, each True if it is required."""
        return {name: field.required for name, field in self._fields.items() if name != self.document}

    @cached_property
    def documents(self) -> frozenset[str]:
        """Those of the members whose value may be any JSON."""
        return frozenset(name for name, field in self._fields.items() if isinstance(field, RawMember))

    @property
    def _fields(self) -> Mapping[str, Any]:
        return {field.data_key or name: field for name, field in self.schema.fields.items()}

    def row(self, shown: Shown) -> Row:
        """Return an item with its draft.

        Raises:
            SecretUnreadable: it cannot be decrypted.
        """
        text = None if shown.item is None else self.sealer.text(shown.item, sealed=shown.sealed)
        original = self._read(shown, text)
        if original is None or shown.edit is None:
            return Row(shown, text, original, original)
        edit = json_text.decode(self.sealer.text(shown.edit, sealed=bool(shown.edit_sealed)))
        return Row(shown, text, original, merged(original, edit))

    def _read(self, shown: Shown, text: bytes | None) -> dict[str, Any] | None:
        if text is None:
            return None
        csv = self.job.options.csv
        if csv is not None and not is_patched(text, patched=shown.patched):
            text = lenient_item(guarded(text), csv, self.types)
        try:
            item = None if text is None else json_text.decode(text)
        except ValueError:
            return None
        return item if isinstance(item, dict) else None

    def cells(self, row: Row) -> Mapping[Path, bytes]:
        """Return the values of an item that can be edited, as it stands with its edits."""
        return {} if row.item is None else members_of(exact_json(row.item), self.document)

    def name(self, item: Mapping[str, Any]) -> str | None:
        """Return the name of an item's type, or its key; None where it has none, or its kind has no template."""
        vocabulary = self.schema.vocabulary
        name = None if vocabulary is None else item.get(vocabulary.member)
        return name if isinstance(name, str) else None

    def rules(self, item: Mapping[str, Any]) -> TypeRules | None:
        """Return the rules of an item's type; None where it has none, or an unknown one."""
        vocabulary, name = self.schema.vocabulary, self.name(item)
        return None if vocabulary is None or name is None else vocabulary.names.get(name)

    def definition(self, item: Mapping[str, Any], path: Path) -> Definition | None:
        """Return the type of a member; None where it has none, or may be any JSON."""
        if path[0] not in self.documents:
            return {"type": "string"}
        rules = self.rules(item)
        if rules is None:
            return None
        return rules.fields.get(path[-1]) if len(path) > 1 else rules.value

    def is_personal(self, item: Mapping[str, Any], path: Path) -> bool:
        """True if a member may hold personal data.

        So may one that a type with personal data does not list, since its name may be a misspelled one, and `data`
        that is no object. An entity of an unknown type may be one of any type.
        """
        template = self.schema.judging
        if template is None or self.job.kind != "entities" or (len(path) == 1 and path[0] != self.document):
            return False
        name = self.name(item)
        names = [name] if name is not None and name in template.entity_types else list(template.entity_types)
        fields = {field for of_type in names for field in template.pii_fields.get(of_type, ())}
        listed = {field for of_type in names for field in template.entity_types[of_type].listed}
        return path[-1] in fields or (bool(fields) and path[-1] not in listed)

    def draft(self, row: Row, item: Mapping[str, Any], *, dropped: bool = False) -> Draft:
        """Return the draft of an item as it is to be; the row is mendable.

        Args:
            row: as it stands.
            item: with its new edits.
            dropped: it is not to be sent.
        """
        edit = exact_json(difference(row.original, item))
        seals = self.sealer.seals or row.shown.sealed
        return Draft(row.index, self.sealer.sealed_text(edit) if seals else edit, seals, dropped, row.shown.version)

    def patch(self, row: Row) -> Any:
        """Return the merge patch of an item, as a retry takes it."""
        return difference(row.original, row.item)

    def picked(self, row: Row) -> Picked:
        """Return an item with its edits, as a retry would send it."""
        return Picked(row.index, row.shown.line, exact_json(row.item), patched=True)


def mending_of(
    conn: Connection, job: Job, template_id: int | None, cache: TemplateCache, *, most_bytes: int, keys: MasterKeys
) -> Mending:
    """Return the rules by which the items of a job are mended.

    Args:
        conn: a connection, in a transaction or not.
        job: a batch.
        template_id: internal id of the template version of today; None for kinds that have none.
        cache: the template versions that this process has read.
        most_bytes: of an item.
        keys: the master keys of this process.
    """
    template: Template | None = None if template_id is None else cache.get(conn, template_id)
    types = row_types_of_job(conn, job, template_id, cache, most_bytes)
    schema = schema_of(KINDS[job.kind], template, most_bytes)
    return Mending(job, schema, types, sealer_of(keys, job.tenant_id, template))
