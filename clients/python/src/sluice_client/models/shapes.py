"""The two spellings of shapes."""

from __future__ import annotations

import msgspec


class Snake(msgspec.Struct, kw_only=True):
    """A shape whose members are spelled as here."""


class Camel(msgspec.Struct, kw_only=True, rename="camel"):
    """A shape whose members are spelled in camelCase on the wire."""
