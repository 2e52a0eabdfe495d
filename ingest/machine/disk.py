"""Room on the disk of the database, where that disk is this machine's.

Postgres stops when its disk is full: it cannot even write the log of what it should finish. So new data are refused
while there is still room for workers to finish what was accepted.
"""

import os
from dataclasses import dataclass

from ingest.errors import DiskFull

# A small disk shall still take some data: at most a quarter of it is kept free, whatever the setting says.
_KEPT_FREE_SHARE = 4


@dataclass(frozen=True, slots=True)
class Room:
    """A file system's room, in bytes.

    Attributes:
        free: what a user without privileges may still write.
        total: its size.
    """

    free: int
    total: int

    def least(self, wanted: int) -> int:
        """Return the low-water mark in bytes: below it new data are refused.

        Args:
            wanted: SLUICE_MIN_FREE_DISK_BYTES.
        """
        return min(wanted, self.total // _KEPT_FREE_SHARE)


def room(directory: str | os.PathLike[str]) -> Room:
    """Return the room on a directory's file system.

    Raises:
        OSError: there is no such directory, or it may not be looked at.
    """
    seen = os.statvfs(directory)
    return Room(seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize)


def require_room(directory: str, wanted: int) -> None:
    """Refuse new data where the database's disk is nearly full. It costs 5 µs.

    Args:
        directory: SLUICE_DATABASE_DIR; empty: the database is elsewhere, and says itself when it is full.
        wanted: SLUICE_MIN_FREE_DISK_BYTES.

    Raises:
        DiskFull: less is free than the low-water mark.
    """
    if not directory:
        return
    try:
        found = room(directory)
    except OSError:
        return  # it has gone since the process started, and so has the database: that says more
    least = found.least(wanted)
    if found.free < least:
        raise DiskFull(None, reason=f"{found.free} bytes are free for {directory}, and {least} is the low-water mark")
