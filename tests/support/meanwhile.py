"""Hooks in the middle of a block's transaction: after its lock, while its items are checked."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ingest.db.connection.pool import Connection
from ingest.db.tenants.templates import TemplateCache
from ingest.items.templates import Template


class _Types(dict[str, Any]):
    """Entity or event types that tell of each one that is looked up."""

    def __init__(self, types: Any, seen: Callable[[str], object]) -> None:
        super().__init__(types)
        self._seen = seen

    def get(self, key: str, default: Any = None) -> Any:
        self._seen(key)
        return super().get(key, default)

    def items(self) -> Any:
        """The fast path asks for all of them, once."""
        self._seen("")
        return super().items()


class Watched(TemplateCache):
    """A template cache of one template; it reports the type of each item right before that is checked.

    Args:
        seen: is called with each type.
    """

    def __init__(self, seen: Callable[[str], object]) -> None:
        super().__init__()
        self._seen = seen
        self._template: Template | None = None

    def get(self, conn: Connection, template_id: int) -> Template:
        if self._template is None:
            template = super().get(conn, template_id)
            self._template = dataclasses.replace(
                template,
                entity_types=_Types(template.entity_types, self._seen),
                event_types=_Types(template.event_types, self._seen),
            )
        return self._template


def once(action: Callable[[], object]) -> Watched:
    """Return a template cache that acts once, right before the first check."""
    waiting = [action]

    def act(_name: str) -> None:
        if waiting:
            waiting.pop()()

    return Watched(act)
