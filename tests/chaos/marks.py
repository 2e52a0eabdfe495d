"""Look for texts in all that a deployment stores, in whatever form: plain, hex, base64 or compressed."""

import base64
import mmap
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import zstandard

from cli.stack import servers

_ZSTD = b"\x28\xb5\x2f\xfd"
_BYTEA = re.compile(rb"\\\\x([0-9a-f]{8,})")


def forms(mark: str) -> list[bytes]:
    """Return a mark as it is, in hex, and what is the same in base64 wherever the mark begins."""
    plain = mark.encode()
    shifted = [base64.b64encode(b"\0" * shift + plain)[(0, 2, 3)[shift] : -4] for shift in range(3)]
    return [plain, plain.hex().encode(), *shifted]


def found_in(text: bytes, marks: Iterable[str]) -> list[str]:
    """Return the marks that stand in a text, in any form."""
    return [mark for mark in marks if any(form in text for form in forms(mark))]


def dump_of(database_url: str) -> bytes:
    """Return what pg_dump makes of a database, its bytes beside their hex, and those that are compressed unpacked."""
    done = subprocess.run([str(servers._postgres_bin() / "pg_dump"), database_url], capture_output=True, check=True)
    return b"\n".join([done.stdout, *_unpacked(done.stdout)])


def _unpacked(dump: bytes) -> Iterator[bytes]:
    for stored in _BYTEA.findall(dump):
        value = bytes.fromhex(stored.decode())
        yield value
        if value.startswith(_ZSTD):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(value)


def files_with(folder: Path, marks: Iterable[str]) -> dict[str, list[str]]:
    """Return the marks that stand in the files of a folder, by the names of these."""
    wanted = {mark: forms(mark) for mark in marks}
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or not file.stat().st_size:
            continue
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
            told = [mark for mark, spelled in wanted.items() if any(held.find(form) >= 0 for form in spelled)]
        if told:
            found[str(file.relative_to(folder))] = told
    return found
