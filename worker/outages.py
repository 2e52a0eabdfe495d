"""Says which errors of an outage a process logs, so that hours without a database leave a readable log."""

import time
from collections.abc import Callable

from ingest.errors import DatabaseError

# An outage is told again after so long: whoever reads the end of a log sees that it lasts.
_AGAIN_SECONDS = 60.0


class Outages:
    """Remembers the error that was logged last.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._message = ""
        self._again_at = 0.0

    def is_news(self, error: DatabaseError) -> bool:
        """True if an error is to be logged: it says another thing than the one before, or a minute has passed."""
        now = self._clock()
        if error.message == self._message and now < self._again_at:
            return False
        self._message, self._again_at = error.message, now + _AGAIN_SECONDS
        return True

    def over(self) -> None:
        """Note that the database does its work again: the next error is news, whatever it says."""
        self._again_at = 0.0
