"""Read a source in a thread of its own, so that a load can look up while the source has no item."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

_ENTRY_BYTES = 64  # of an entry beside its line, so that tiny items are bounded too


# An item of a source: the caller's own object, and that as JSON, or the error for which it cannot be sent.
Entry = tuple[Any, bytes | Exception]


class Reader:
    """A source that is being read.

    Args:
        source: of items; read once.
        encode: makes an entry of an item.
        most_bytes: of lines that may wait to be taken: the source is not asked for another item before.
    """

    def __init__(self, source: Iterable[Any], encode: Callable[[Any], Entry], most_bytes: int) -> None:
        self._source, self._encode, self._most_bytes = source, encode, most_bytes
        self._changed = threading.Condition()
        self._waiting: list[Entry] = []
        self._bytes = 0
        self._has_ended = self._is_given_up = False
        self._error: BaseException | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, seconds: float) -> list[Entry] | None:
        """Return all entries that wait, none if no item came in so many seconds, and None after the last one.

        Raises:
            BaseException: the source's own error, once the entries before it are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._has_ended or self._is_given_up, seconds)
            if self._waiting or not self._has_ended:
                taken, self._waiting, self._bytes = self._waiting, [], 0
                self._changed.notify_all()
                return taken
            if self._error is not None:
                raise self._error
            return None

    def give_up(self) -> None:
        """Ask the source for nothing more."""
        with self._changed:
            self._is_given_up = True
            self._changed.notify_all()

    def _read(self) -> None:
        error = None
        try:
            for row in self._source:
                if not self._add(self._encode(row)):
                    return
        except BaseException as caught:  # noqa: BLE001 # raised where the load is
            error = caught
        with self._changed:
            self._has_ended, self._error = True, error
            self._changed.notify_all()

    def _add(self, entry: Entry) -> bool:
        """Let an entry wait to be taken, once there is room; return False if no more are wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < self._most_bytes or self._is_given_up)
            self._waiting.append(entry)
            line = entry[1]
            self._bytes += _ENTRY_BYTES + (len(line) if isinstance(line, bytes) else 0)
            self._changed.notify_all()
            return not self._is_given_up
