"""Tell a person why a load stands still: the client makes calls again for ten minutes, and says so to its log alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sluice_client.cli.screen import Screen
from sluice_client.log import LOG

_TRIES = 3  # of a call; fewer are over in a second
_AGAIN_SECONDS = 60.0


class _Waits(logging.Handler):
    """The handler of the client's log that tells of retries: once for each reason, and again after a minute."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of a call that is made again."""
        reason = getattr(record, "reason", None)
        if reason is None:
            if record.levelno >= logging.WARNING:
                self._screen.note(record.getMessage())
            return
        now = time.monotonic()
        if getattr(record, "tries", 0) >= _TRIES and now - self._told.get(reason, -_AGAIN_SECONDS) >= _AGAIN_SECONDS:
            self._told[reason] = now
            self._screen.note(f"The server does not take it now ({reason}); trying again")


@contextmanager
def waits_told(screen: Screen) -> Iterator[None]:
    """Tell on a screen of calls that are made again in a block."""
    handler, level = _Waits(screen), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
