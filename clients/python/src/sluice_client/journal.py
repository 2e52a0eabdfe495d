"""The journal of a file's load, which may break off: beside the file, or in the folder that SLUICE_JOURNALS names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sluice_client.errors import OtherLoad, UnwritableFile

FOLDER = "SLUICE_JOURNALS"
_GROUPS = {"options", "reading"}  # of a plan: objects


class _Entry(msgspec.Struct):
    """The content of a journal."""

    plan: dict[str, Any]
    upload_id: str
    seen: tuple[int, int] | None = None  # size and time of the file, when its load began


class Journal:
    """The file that says which upload a loaded file goes to; the server knows all else.

    Args:
        path: of the loaded file.
        folder: of the journal; None takes that of SLUICE_JOURNALS, or the loaded file's own.
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        elsewhere = folder or os.environ.get(FOLDER)
        if elsewhere is None or elsewhere == "":
            self.path = path.with_name(f"{path.name}.sluice-journal")
        else:  # where files of other folders may have the same name
            digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
            self.path = Path(elsewhere) / f"{path.name}.{digest}.sluice-journal"
        self._fresh = self.path.with_name(f"{self.path.name}.new")
        self._loaded = path

    def begun(self) -> bool:
        """True if an earlier load of the file has not come to its end."""
        return self._read() is not None

    def is_of_the_file_as_it_is(self) -> bool:
        """True if size and time of the file are those of when the earlier load began."""
        entry = self._read()
        return entry is not None and entry.seen == self._seen()

    def upload_id(self) -> str | None:
        """Return the id of the upload that an earlier load has begun, whatever its plan; None if there was none."""
        entry = self._read()
        return None if entry is None else entry.upload_id

    def find(self, plan: Mapping[str, Any]) -> str | None:
        """Return the id of the upload that an earlier load has begun; None if there was none.

        Args:
            plan: what is loaded, and how.

        Raises:
            OtherLoad: the earlier load had another plan.
        """
        entry = self._read()
        if entry is None:
            return None
        wanted = msgspec.json.decode(msgspec.json.encode(plan))
        if entry.plan != wanted:
            raise OtherLoad(self._loaded, sorted(_differing(entry.plan, wanted)))
        return entry.upload_id

    def require_writable(self) -> None:
        """Raise an error if the journal cannot be written.

        Raises:
            UnwritableFile: it cannot.
        """
        try:
            self._fresh.open("wb").close()
            self._fresh.unlink()
        except OSError as error:
            instead = f"let {FOLDER} name a folder that can be, where a load that breaks off is to go on from"
            raise UnwritableFile(self.path, error, instead) from error

    def keep(self, plan: Mapping[str, Any], upload_id: str) -> None:
        """Write down which upload a load goes to, before any part of it is sent."""
        with self._fresh.open("wb") as file:
            file.write(msgspec.json.encode({"plan": plan, "upload_id": upload_id, "seen": self._seen()}))
            file.flush()
            os.fsync(file.fileno())
        self._fresh.replace(self.path)

    def forget(self) -> None:
        """Remove the journal: the load has ended, or cannot go on."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> _Entry | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Entry)
        except (FileNotFoundError, msgspec.MsgspecError):  # one that was cut off knows nothing
            return None

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = self._loaded.stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what two plans do not have alike; options and ways to read by their own names."""
    for group in _GROUPS:
        left, right = one.get(group) or {}, other.get(group) or {}
        yield from (name for name in {*left, *right} if left.get(name) != right.get(name))
    yield from (name for name in {*one, *other} - _GROUPS if one.get(name) != other.get(name))
