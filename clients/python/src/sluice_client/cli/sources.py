"""The sources of a load: the files that a command names, the form of each, and the kind of its items."""

from __future__ import annotations

import csv
import stat
from collections.abc import Iterator, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

import msgspec

from sluice_client.cutting import CSV, LINES
from sluice_client.errors import UnknownFormat
from sluice_client.files import content_type_of

STANDARD_INPUT = Path("-")
JSON = "application/json"
FORMATS: Mapping[str, str] = {"csv": CSV, "tsv": CSV, "ndjson": LINES, "json": JSON}

_COMPRESSED = {".gz", ".zst"}
_LEFT_BY_US = (".sluice-journal", ".failed.ndjson", ".failed.csv")

# The member that tells what an item is, and nothing else has.
_TELLTALES = {"entityType": "entities", "eventType": "events", "stateKey": "states"}


class Form(NamedTuple):
    """The form of a source.

    Attributes:
        content_type: of CSV, lines of JSON, or JSON.
        delimiter: of CSV, as the server spells it; None for a comma.
    """

    content_type: str
    delimiter: str | None = None

    @property
    def separator(self) -> str:
        """The delimiter as a character."""
        return "\t" if self.delimiter == "tab" else self.delimiter or ","


def named(arguments: Sequence[str]) -> list[Path]:
    """Return the files that arguments name, each of them there and readable.

    Raises:
        OSError: one cannot be read.
        UnknownFormat: a pattern matches none, or a file is named twice.
    """
    paths = [path for argument in arguments for path in _matching(argument)]
    for path in paths:
        if paths.count(path) > 1:
            raise UnknownFormat(f"{path} is named twice")
        if path != STANDARD_INPUT:
            if path.is_dir():
                raise UnknownFormat(f"{path} is a folder: name its files, as in '{path}/*.csv'")
            if is_seekable(path):
                path.open("rb").close()
    return paths


def _matching(argument: str) -> Iterator[Path]:
    if argument == "-" or not has_magic(argument) or Path(argument).exists():
        yield Path(argument)
        return
    found = [
        Path(name)
        for name in sorted(glob(argument, recursive=True))  # noqa: PTH207 # it may be absolute
        if not name.endswith(_LEFT_BY_US)
    ]
    if not found:
        raise UnknownFormat(f"no file matches {argument}")
    yield from found


def is_seekable(path: Path) -> bool:
    """True if a path is a file that can be read again; a pipe cannot.

    Raises:
        OSError: there is none.
    """
    return path != STANDARD_INPUT and stat.S_ISREG(path.stat().st_mode)


def form_of(path: Path, wanted: str | None, delimiter: str | None, head: bytes) -> Form:
    """Return the form of a source.

    Args:
        path: of it; its name tells.
        wanted: one of FORMATS, which wins.
        delimiter: of CSV, which wins.
        head: the first bytes, for sources without a name that tells.

    Raises:
        UnknownFormat: nothing tells.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    if wanted:
        content_type, implied = FORMATS[wanted], "tab" if wanted == "tsv" else None
    elif suffixes and suffixes[-1] == ".json":
        content_type, implied = JSON, None
    elif suffixes and path != STANDARD_INPUT and is_seekable(path):
        try:
            content_type, options = content_type_of(path)
        except UnknownFormat as error:
            raise UnknownFormat(f"{error}; else say --format csv, tsv, ndjson or json, or save it as CSV") from None
        implied = options.get("delimiter")
    else:
        begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if begin not in {b"{", b"["}:
            raise UnknownFormat(f"say what {title_of(path)} holds: --format csv, tsv, ndjson or json")
        content_type, implied = (LINES if begin == b"{" else JSON), None
    return Form(content_type, delimiter or implied if content_type == CSV else None)


def kind_of(path: Path, form: Form, head: bytes) -> str:
    """Return the kind of items that the first record of a source tells.

    Args:
        path: of it.
        form: of it.
        head: its first record, as the server gets it, and more.

    Raises:
        UnknownFormat: it tells none, or several.
    """
    kinds = {_TELLTALES[name] for name in _members(form, head) if name in _TELLTALES}
    if len(kinds) != 1:
        raise UnknownFormat(
            f"say what {title_of(path)} holds: --kind entities, events or states; "
            f"its first record has {'several' if kinds else 'none'} of {', '.join(_TELLTALES)}"
        )
    return kinds.pop()


def _members(form: Form, head: bytes) -> list[str]:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if form.content_type == CSV:
        lines = text.decode("utf-8", "replace").splitlines(keepends=True)
        header = next(csv.reader(lines, delimiter=form.separator), [])
        return [name.partition(":")[0] for name in header]
    try:
        return list(msgspec.json.decode(text.partition(b"\n")[0], type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, ValueError):
        return []


def title_of(path: Path) -> str:
    """Return the name of a source for people."""
    return "standard input" if path == STANDARD_INPUT else str(path)
