"""Splitting alone: a web process undoes the coding of a body of lines, cuts it into blocks and counts their items.

It compresses and stores the blocks then, which is left out. `wc -l` reads the same bytes, decoded, from
a file that is in memory.
"""

import gzip
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from benchmarks import items
from benchmarks.measure import Ratio, Row, Side, timed
from benchmarks.place import Place
from ingest.intake import codings
from ingest.intake.lines import cut_lines

_LINES = 1_000_000
_CHUNK = 128 * 1024  # as web reads them
_TIMES = 3  # that one `wc` reads the file, so that its start weighs little
_BLOCK_LINES, _BLOCK_BYTES, _ITEM_BYTES = 10_000, 4 * 1024 * 1024, 1024 * 1024  # as in `ingest.intake.blocks`


@contextmanager
def splitting(place: Place) -> Iterator[Row]:
    body = b"".join(msgspec.json.encode(item) + b"\n" for item in items.entities(_LINES))
    megabytes = len(body) / 1e6
    file = place.folder / "lines.ndjson"
    file.write_bytes(body)
    wc = shutil.which("wc")
    assert wc

    def split(coded: bytes, coding: str) -> Callable[[], Mapping[str, float]]:
        chunks = [coded[start : start + _CHUNK] for start in range(0, len(coded), _CHUNK)]

        def sample() -> Mapping[str, float]:
            with timed() as clock:
                decoded = codings.decoded(chunks, coding, most_bytes=len(body))
                found = sum(
                    lines.items
                    for lines in cut_lines(
                        decoded, most_lines=_BLOCK_LINES, most_bytes=_BLOCK_BYTES, longest_line=_ITEM_BYTES
                    )
                )
            assert found == _LINES
            return clock.rate(megabytes)

        return sample

    def count() -> Mapping[str, float]:
        with timed() as clock:
            done = subprocess.run([wc, "-l", *[str(file)] * _TIMES], check=True, capture_output=True)
        assert int(done.stdout.split()[0]) == _LINES
        return clock.rate(_TIMES * megabytes)

    yield Row(
        f"splitting alone, {_LINES:,} lines",
        "MB, decoded",
        (Side("plain", split(body, "")), Side("gzip", split(gzip.compress(body), "gzip")), Side("wc -l", count)),
        (Ratio("plain", "wc -l", 0.25), Ratio("gzip", "wc -l", 0.20)),
        ("Decoding, cutting, counting; neither HTTP, digests, zstd nor the database.",),
    )
