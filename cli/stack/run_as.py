"""Run a server as an unprivileged user, on Linux.

`RunAs.become` runs between fork and exec, so it takes no lock and imports nothing.
"""

import ctypes
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from cli.errors import StackError

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 28, 47, 2  # <linux/prctl.h>
# <linux/capability.h>. Each of the first two lets a process walk through any directory; the second lets it write there
# too, but Docker's root has no other.
_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE, _CAP_SETPCAP = 2, 1, 8
_CAPABILITY_VERSION_3 = 0x20080522
# <linux/securebits.h>: access(2), with which Postgres looks for its own programs, counts the capability too; without
# it, it counts for a user who is not root as none.
_NO_SETUID_FIXUP = 1 << 2


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user that servers run as where this process is root, since Postgres refuses to be root.

    Attributes:
        uid: its user id; owns the servers' files and nothing else of ours.
        gid: its group id.
        passage: the capability to walk through closed directories, where one is above the servers' files or programs,
            as /root is: no mode of a directory that is not ours may change. None: every directory is open.
    """

    uid: int
    gid: int
    passage: int | None

    @classmethod
    def for_paths(cls, *paths: Path) -> "RunAs | None":
        """Choose the user for servers that use these paths.

        Returns:
            None where this process is not root: servers then run as its own user.

        Raises:
            StackError: this root may not hand on the capability that the paths ask for, as in some containers.
        """
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")  # initdb wants a user with a name, and every system has this one
        closed = [folder for path in paths for folder in path.resolve().parents if not folder.stat().st_mode & 0o001]
        if not closed:
            return cls(nobody.pw_uid, nobody.pw_gid, None)
        passages = [capability for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if _permitted(capability)]
        if not passages or not _permitted(_CAP_SETPCAP):
            raise StackError(f"Postgres may not run as root, and {closed[0]} is closed to others: run this as a user")
        return cls(nobody.pw_uid, nobody.pw_gid, passages[0])

    def become(self) -> None:
        """Turn the calling process into this user for good. Runs between fork and exec."""
        if self.passage is not None:
            _check(_libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0))
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.passage is not None:
            bit = 1 << self.passage
            header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
            sets = (ctypes.c_uint32 * 6)(bit, bit, bit)  # effective, permitted, inheritable; then the high words, 0
            _check(_libc.capset(header, sets))
            _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, self.passage, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _permitted(capability: int) -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    permitted = next(line for line in status.splitlines() if line.startswith("CapPrm:"))
    return bool(int(permitted.split()[1], 16) >> capability & 1)
