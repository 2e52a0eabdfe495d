"""What happens in the middle of a block's transaction: after its lock, while its items are checked."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ingest.db.pool import Connection
from ingest.db.templates import Editions
from ingest.templates import Template


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


class Watched(Editions):
    """Editions of one template under which the type of each item that is checked is told first.

    Args:
        seen: is told.
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
    """Editions under which the first check of all does something first."""
    waiting = [action]

    def act(_name: str) -> None:
        if waiting:
            waiting.pop()()

    return Watched(act)
