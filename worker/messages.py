"""What stands in the queue may be anything: what is no message is thrown away, and the worker lives.

Without this, bytes that are no JSON, or JSON that is no message, end the whole worker, where a garbage argument ends
nothing. The sweeper notifies again of the jobs that they stood for.
"""

from collections.abc import Callable
from typing import Any

import structlog
from kombu.transport import redis

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("worker.messages")

# What reading such a message raises. A lost connection is none of these, and must be seen.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Channel(redis.Channel):
    """Reads the queue, and what is said to all workers."""

    def _brpop_read(self, **options: Any) -> Any:
        return self._outlive(super()._brpop_read, **options)  # type: ignore[misc] # the stubs leave it out

    def _receive(self) -> Any:
        return self._outlive(super()._receive)  # type: ignore[misc] # likewise

    def _outlive(self, read: Callable[..., Any], **options: Any) -> Any:
        known = set(self.qos._delivered or ())  # noqa: SLF001 # kombu offers no other way to see what it has counted
        try:
            return read(**options)
        except _UNREADABLE as error:
            log.warning("message_unreadable", error=type(error).__name__)
            # One that failed late counts as under way, and would keep a child's place for ever.
            for tag in set(self.qos._delivered or ()) - known:  # noqa: SLF001
                self.qos.reject(tag, requeue=False)
            return True


def outlive_garbage() -> None:
    """Have this process read its queue so."""
    redis.Transport.Channel = Channel
