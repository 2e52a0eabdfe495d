"""Skip unreadable messages in the queue, and keep the worker alive.

Without this, bytes that are no JSON, or JSON that is no message, end the whole worker; a bad argument of a task does
not. The sweeper notifies again of the jobs whose messages were skipped.
"""

from collections.abc import Callable
from typing import Any

import structlog
from kombu.transport import redis

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("worker.messages")

# Errors that reading such a message raises. A lost connection raises others, which must stay visible.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Channel(redis.Channel):
    """Reads the queue, and the messages to all workers."""

    def _brpop_read(self, **options: Any) -> Any:
        return self._skip_unreadable(super()._brpop_read, **options)  # type: ignore[misc] # the stubs leave it out

    def _receive(self) -> Any:
        return self._skip_unreadable(super()._receive)  # type: ignore[misc] # likewise

    def _skip_unreadable(self, read: Callable[..., Any], **options: Any) -> Any:
        known = set(self.qos._delivered or ())  # noqa: SLF001 # kombu offers no other way to see what it has counted
        try:
            return read(**options)
        except _UNREADABLE as error:
            log.warning("message_unreadable", error=type(error).__name__)
            # A message that failed late counts as in progress, and would keep a child's place forever.
            for tag in set(self.qos._delivered or ()) - known:  # noqa: SLF001
                self.qos.reject(tag, requeue=False)
            return True


def skip_unreadable() -> None:
    """Make this process skip unreadable messages of its queue."""
    redis.Transport.Channel = Channel
