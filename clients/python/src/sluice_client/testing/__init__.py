"""A server in memory, for the tests of programs that use this client.

    from sluice_client.testing import fake

    server = fake()
    with server.client() as sluice:
        my_program(sluice)
    assert server.entities["p1"].data == {"email": "ada@example.com"}

rules       what is stored, how items are judged, and the effect of each
parameters  the query of each call
answers     bodies and answers
server      the calls

It judges items as the real server does by what its template requires, and gives each its effect; jobs have ended when
their batch is answered, which counts as one block. It knows batches, their jobs and errors, single writes and reads,
and the limits of an installation. It does not check the types of typed templates. Anything else that the real server
has raises NotImplementedError in the program under test: test that against `sluice up`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice_client.testing.rules import IGAMING, Row
from sluice_client.testing.server import FakeServer

__all__ = ["IGAMING", "FakeServer", "Row", "fake"]


def fake(template: Mapping[str, Any] = IGAMING, *, limits: Mapping[str, Any] | None = None) -> FakeServer:
    """Return a server in memory.

    Args:
        template: the fields that each type requires, of the form of IGAMING.
        limits: of `GET /capabilities`, by their names there, such as `{"jobItems": 100}`; the server refuses batches
            over `jobItems`, `jobBytes`, `atomicItems` and `atomicBytes`.
    """
    return FakeServer(template, limits or {})
