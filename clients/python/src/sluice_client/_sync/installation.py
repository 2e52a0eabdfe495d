"""Made by make_sync.py of _async/installation.py: change that file, then `make client`."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice_client._sync.transport import Transport
from sluice_client.errors import Forbidden, NotFound
from sluice_client.limits import Limits, limits_of


class _Told(msgspec.Struct):
    """The part of `models.Capabilities` that is needed here, of an older or a newer server too."""

    limits: dict[str, Any] = {}  # msgspec copies it


class Installation:
    """An installation.

    Args:
        transport: to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known: Limits | None = None

    def limits(self) -> Limits:
        """Return the limits; those of the client itself where the server tells none, or not this key."""
        if self._known is None:
            try:
                told = self._transport.call("getCapabilities", _Told)
            except (Forbidden, NotFound):
                self._known = Limits()
            else:
                self._known = limits_of(told.limits)
        return self._known
