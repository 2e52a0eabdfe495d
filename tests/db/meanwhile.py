"""Something that happens in the middle of a block's transaction: after its lock, at the check of its first item."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ingest.db.pool import Connection
from ingest.db.templates import Editions
from ingest.templates import Template


class _Acting(dict[str, Any]):
    def __init__(self, types: Any, action: Callable[[], object]) -> None:
        super().__init__(types)
        self._action: Callable[[], object] | None = action

    def get(self, key: str, default: Any = None) -> Any:
        action, self._action = self._action, None
        if action is not None:
            action()
        return super().get(key, default)


class Meanwhile(Editions):
    """Editions under which the first check of a type does something first, once.

    Args:
        action: what to do.
    """

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action = action
        self._acting: Template | None = None

    def get(self, conn: Connection, template_id: int) -> Template:
        if self._acting is None:
            template = super().get(conn, template_id)
            types = _Acting({**template.entity_types, **template.event_types}, self._action)
            self._acting = dataclasses.replace(template, entity_types=types, event_types=types)
        return self._acting
